# cases: command unit
# A command is followed through its forks from its first instruction, alone, and the
# exit code is its own.
while :; do /bin/true; sleep 0.1; done &
other=$!
gadget run trace_exec -o jsonl --output-file /tmp/out -- /bin/sh -c '/bin/echo first; (/bin/cat /dev/null); exit 7' >/tmp/printed 2>/tmp/err
code=$?
expect '"args":"/bin/sh -c' '"args":"/bin/echo first"' '"args":"/bin/cat /dev/null"'
[ $code = 7 ] || missing="$missing code-7-not-$code"
grep -q '^first$' /tmp/printed || missing="$missing printed"
grep -q /bin/true /tmp/out && missing="$missing alone"
kill $other
wait $other 2>/dev/null
verdict command

# A unit is a cgroup, also one that is made while the gadget waits for it.
(
	until grep -q '^ready' /tmp/err 2>/dev/null; do sleep 0.1; done
	mkdir /sys/fs/cgroup/shop.service
	/bin/echo outside >/dev/null
	/bin/sh -c 'echo $$ >/sys/fs/cgroup/shop.service/cgroup.procs; exec /bin/echo inside' >/dev/null
) &
: >/tmp/err
gadget run trace_exec --unit shop -v -o jsonl --max-events 1 --timeout 60s >/tmp/out 2>/tmp/err
wait
gadget=
expect '"args":"/bin/echo inside".*"unit":"shop.service"'
rmdir /sys/fs/cgroup/shop.service
verdict unit
