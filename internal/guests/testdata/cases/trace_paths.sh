# cases: trace_exec_paths trace_open_paths
# With all switches on: other programs, as far as the verifier is concerned.
run() {
	name=$1
	shift
	gadget run "$@" --paths --host -o jsonl --timeout 40s >/tmp/out 2>/tmp/err &
	pid=$!
	for i in $(seq 150); do
		/bin/cat /etc/passwd >/dev/null
		grep -q cat /tmp/out && break
		kill -0 $pid 2>/dev/null || break
		sleep 0.2
	done
	echo '#!/no/interpreter' >/tmp/script
	chmod +x /tmp/script
	mkdir -p /tmp/deep/down
	ln -sf /etc/passwd /tmp/deep/down/link
	(cd /tmp/deep/down && /bin/cat link >/dev/null && /tmp/script five "six seven" 2>/dev/null)
	sleep 1
	kill -INT $pid 2>/dev/null
	wait $pid
}
verdict() {
	if [ "$2" = 0 ]; then
		echo "CASE $1 ok"
	else
		echo "CASE $1 fail: $(head -n 3 /tmp/err | tr '\n' ' ')"
		tail -c 2000 /tmp/out
	fi
}

run exec trace_exec --ignore-failed=false
grep -q '"args":"/bin/cat link",.*"cwd":"/tmp/deep/down",.*"exepath":"/bin/[a-z]*",.*"file":"/bin/cat"' /tmp/out &&
	grep -q '"args":"/tmp/script five .*six seven.*"error":"ENOENT"' /tmp/out
verdict trace_exec_paths $?

run open trace_open
grep -q '"fname":"link","fpath":"/etc/passwd"' /tmp/out
verdict trace_open_paths $?
