# What other cases of this guest show by events, the doctor finds too.
gadget doctor >/tmp/out 2>/tmp/err
status=$?
for name in tracepoint raw_tp tp_btf kprobe fentry fexit lsm uprobe perf_event iter ringbuf watcher; do
	expect "^  ok       $name\( \|\$\)"
done
verdict $1
cat /tmp/out
