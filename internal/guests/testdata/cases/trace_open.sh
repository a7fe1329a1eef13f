# A file that is read leaves its name and number, one that is missing its error.
gadget run trace_open --host --comm cat -o jsonl --timeout 30s >/tmp/out 2>/tmp/err &
pid=$!
for i in $(seq 150); do
	/bin/cat /etc/passwd >/dev/null
	grep -q cat /tmp/out && break
	kill -0 $pid 2>/dev/null || break
	sleep 0.2
done
/bin/cat /etc/no-such-file 2>/dev/null
sleep 1
kill -INT $pid 2>/dev/null
wait $pid
if grep -q '"error":"","error_raw":0,.*"fname":"/etc/passwd"' /tmp/out &&
	grep -q '"error":"ENOENT","error_raw":2,.*"fname":"/etc/no-such-file"' /tmp/out; then
	echo "CASE $1 ok"
else
	echo "CASE $1 fail: $(head -n 3 /tmp/err | tr '\n' ' ')"
	head -c 2000 /tmp/out
fi
