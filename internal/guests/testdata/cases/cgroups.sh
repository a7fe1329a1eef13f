# cases: top_cpu_throttle
# A shell that wants a whole processor and may have a fifth of one is held back. Only
# here is there a cgroup v2 with the cpu controller.
limited=/sys/fs/cgroup/limited
echo +cpu >/sys/fs/cgroup/cgroup.subtree_control
mkdir $limited && echo 20000 100000 >$limited/cpu.max
sh -c "echo \$\$ >$limited/cgroup.procs; while :; do :; done" &
busy=$!
collect top_cpu_throttle --count 1
expect '"cgroupPath":"/limited","cpuLimitCores":0.2,.*"cpuQuota_raw":20000000,.*"throttleRatio":[1-9]'
kill $busy
wait $busy 2>/dev/null
rmdir $limited
verdict top_cpu_throttle
