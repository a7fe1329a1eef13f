# cases: tracepoint raw_tp tp_btf kprobe kretprobe ksyscall fentry fexit lsm kprobe_multi kretprobe_multi kprobe_session lsm_sleepable perf_event attach_to
# Every type of program: one gadget each, asked for the opens of one command.
for type in tracepoint raw_tp tp_btf kprobe kretprobe ksyscall fentry fexit lsm kprobe_multi kretprobe_multi kprobe_session lsm_sleepable perf_event attach_to; do
	start $type --comm cat
	/bin/cat /etc/passwd >/dev/null
	expect '"comm":"cat"'
	verdict $type
done
