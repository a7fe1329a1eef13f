# A child is sent a signal and tells its parent that it died; nobody gets another one.
gadget run trace_signal --host -o jsonl --timeout 40s >/tmp/out 2>/tmp/err &
pid=$!
for i in $(seq 150); do
	/bin/true
	grep -q SIGCHLD /tmp/out && break
	kill -0 $pid 2>/dev/null || break
	sleep 0.2
done
sleep 100 &
child=$!
kill -USR2 $child
wait $child 2>/dev/null
kill -HUP 4999999 2>/dev/null
sleep 1
kill -INT $pid 2>/dev/null
wait $pid
if grep -q "\"error\":\"\",\"error_raw\":0,.*\"pid\":$$,.*\"sig\":\"SIGUSR2\".*\"tpid\":$child}" /tmp/out &&
	grep -q "\"pid\":$child,.*\"sig\":\"SIGCHLD\".*\"tpid\":$$}" /tmp/out &&
	grep -q '"error":"ESRCH",.*"sig":"SIGHUP".*"tpid":4999999}' /tmp/out; then
	echo "CASE $1 ok"
else
	echo "CASE $1 fail: $(head -n 3 /tmp/err | tr '\n' ' ')"
	tail -c 3000 /tmp/out
fi
