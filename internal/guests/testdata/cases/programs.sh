# cases: tracepoint raw_tp tp_btf kprobe kretprobe ksyscall fentry fexit lsm
# Every type of program: one gadget each, asked for the opens of one command.
for type in tracepoint raw_tp tp_btf kprobe kretprobe ksyscall fentry fexit lsm; do
	gadget run "$type" -v --host --comm cat -o jsonl --timeout 60s >/tmp/out 2>/tmp/err &
	pid=$!
	for i in $(seq 60); do
		/bin/cat /etc/passwd >/dev/null
		grep -q cat /tmp/out && break
		kill -0 $pid 2>/dev/null || break
		sleep 0.2
	done
	kill -INT $pid 2>/dev/null
	wait $pid
	status=$?
	if grep -q '"comm":"cat"' /tmp/out; then
		echo "CASE $type ok"
	elif [ $status = 3 ]; then
		echo "CASE $type absent: $(head -n 1 /tmp/err)"
	else
		echo "CASE $type fail: exit $status: $(tail -n 6 /tmp/err | tr '\n' ' ')"
	fi
done
