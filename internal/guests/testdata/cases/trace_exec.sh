# A program that runs leaves one event with its arguments; one that is missing
# leaves its error.
gadget run trace_exec --host -o jsonl --timeout 30s >/tmp/out 2>/tmp/err &
pid=$!
for i in $(seq 100); do grep -q . /tmp/out && break; /bin/true warm-up; sleep 0.2; done
/bin/echo one 'two three' >/dev/null
/bin/no-such-program four 2>/dev/null
sleep 1
kill -INT $pid
wait $pid
if grep -q '"args":"/bin/echo one' /tmp/out; then
	echo "CASE $1 ok"
else
	echo "CASE $1 fail: $(head -n 3 /tmp/err | tr "\n" " ")"
	head -c 2000 /tmp/out
fi
