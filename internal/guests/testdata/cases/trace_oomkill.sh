# A control group may have 16 MB, and dies as a whole: who wants more, and a sleeper.
small=/sys/fs/cgroup/small
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir $small && echo 16M >$small/memory.max && echo 1 >$small/memory.oom.group
start trace_oomkill
sh -c "echo \$\$ >$small/cgroup.procs; exec sleep 100" &
sleeper=$!
until grep -q . $small/cgroup.procs; do sleep 0.1; done
sh -c "echo \$\$ >$small/cgroup.procs; exec tail /dev/zero" &
greedy=$!
wait $greedy $sleeper 2>/dev/null
by="\"fprocess\":{\"comm\":\"tail\",.*\"pid\":$greedy,.*\"pages\":4096,"
expect "$by.*\"tcomm\":\"tail\",.*\"tpages\":4[0-9][0-9][0-9],\"tpid\":$greedy}" \
	"$by.*\"tcomm\":\"sleep\",.*\"tpid\":$sleeper}"
rmdir $small
verdict $1
