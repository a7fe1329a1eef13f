# A file system is mounted, used twice for a mount too many, and unmounted.
gadget run trace_mount --host -o jsonl --timeout 40s >/tmp/out 2>/tmp/err &
pid=$!
mkdir -p /tmp/place
for i in $(seq 150); do
	umount /tmp/place 2>/dev/null
	grep -q umount /tmp/out && break
	kill -0 $pid 2>/dev/null || break
	sleep 0.2
done
mount -t tmpfs -o size=64k,nosuid scratch /tmp/place
mount -t nosuchfs none /tmp/place 2>/dev/null
umount /tmp/place
sleep 1
kill -INT $pid 2>/dev/null
wait $pid
if grep -q '"data":"size=64k","dest":"/tmp/place","error":"","error_raw":0,"flags":"MS_NOSUID[A-Z_|]*",.*"fs":"tmpfs",.*"op":"mount",.*"src":"scratch"' /tmp/out &&
	grep -q '"dest":"/tmp/place","error":"ENODEV",.*"fs":"nosuchfs"' /tmp/out &&
	grep -q '"dest":"/tmp/place","error":"","error_raw":0,.*"op":"umount"' /tmp/out; then
	echo "CASE $1 ok"
else
	echo "CASE $1 fail: $(head -n 3 /tmp/err | tr '\n' ' ')"
	tail -c 3000 /tmp/out
fi
