# cases: top_process top_ebpf
# A busy shell is the first of the processes, under its name.
sh -c 'while :; do :; done' &
busy=$!
collect top_process --sort=-cpuUsage --max-entries 1 --count 1
expect "\"comm\":\"sh\",.*\"cpuUsage\":[1-9][0-9].*\"pid\":$busy,\"ppid\":$$,"
kill $busy
wait $busy 2>/dev/null
verdict top_process
# The program of another gadget has run, and is known as that gadget's.
gadget run trace_open --host -o none --timeout 60s &
other=$!
(while :; do cat /proc/uptime >/dev/null; sleep 0.1; done) &
opens=$!
start top_ebpf --gadgets-only
expect "\"comms\":\"gadget\",.*\"gadgetName\":\"trace_open\",.*\"pids\":\"$other\",.*\"runcount\":[1-9]"
kill $opens $other
wait $opens $other 2>/dev/null
verdict top_ebpf
