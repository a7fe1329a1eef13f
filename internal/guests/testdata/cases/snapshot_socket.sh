# A connection of this guest, and a socket in a network namespace of its own.
ip link set lo up
nc -ll -p 4242 -e /bin/cat &
server=$!
unshare -m -n nc -ll -p 4343 -e /bin/cat &
other=$!
for i in $(seq 50); do
	grep -q ':1092 ' /proc/net/tcp /proc/net/tcp6 && grep -q ':10F7 ' /proc/$other/net/tcp /proc/$other/net/tcp6 && break
	sleep 0.2
done
sleep 30 | nc 127.0.0.1 4242 &
client=$!
for i in $(seq 50); do
	grep -q ':1092 .* 01 ' /proc/net/tcp && break
	sleep 0.2
done
gadget run snapshot_socket --host -o jsonl --timeout 20s >/tmp/out 2>/tmp/err
status=$?
own=$(readlink /proc/self/ns/net | tr -dc 0-9)
apart=$(readlink /proc/$other/ns/net | tr -dc 0-9)
kill $server $other $client
row() { grep -q "\"dst\":{\"addr\":\"[^\"]*\",\"port\":$2,.*\"netns\":$3,.*\"src\":{\"addr\":\"[^\"]*\",\"port\":$1,.*\"state\":\"$4\"" /tmp/out; }
if [ "$own" != "$apart" ] && row 4242 0 $own LISTEN && row 4343 0 $apart LISTEN &&
	row 4242 '[1-9][0-9]*' $own ESTABLISHED && row '[1-9][0-9]*' 4242 $own ESTABLISHED; then
	echo "CASE $1 ok"
else
	echo "CASE $1 fail: exit $status, networks $own and $apart: $(head -n 3 /tmp/err | tr '\n' ' ')"
	head -c 3000 /tmp/out
	cat /proc/net/tcp /proc/net/tcp6
fi
