# A connection of this guest, and a socket in a network namespace of its own.
# until_line PATTERN FILE…: waits for a line, at most for ten seconds.
until_line() {
	for i in $(seq 50); do
		grep -q "$@" && return
		sleep 0.2
	done
}
nc -ll -p 4242 -e /bin/cat &
server=$!
unshare -m -n nc -ll -p 4343 -e /bin/cat &
other=$!
until_line ':1092 ' /proc/net/tcp /proc/net/tcp6
until_line ':10F7 ' /proc/$other/net/tcp /proc/$other/net/tcp6
sleep 100 | nc 127.0.0.1 4242 &
client=$!
until_line ':1092 01 ' /proc/net/tcp
collect snapshot_socket
own=$(readlink /proc/self/ns/net | tr -dc 0-9)
apart=$(readlink /proc/$other/ns/net | tr -dc 0-9)
kill $server $other $client
# row SOURCE-PORT DESTINATION-PORT NAMESPACE STATE
row() { expect "\"dst\":{\"addr\":\"[^\"]*\",\"k8s\":{[^}]*},\"port\":$2,.*\"netns\":$3,.*\"src\":{\"addr\":\"[^\"]*\",\"k8s\":{[^}]*},\"port\":$1,.*\"state\":\"$4\""; }
[ "$own" != "$apart" ] || missing="$missing two namespaces"
row 4242 0 $own LISTEN
row 4343 0 $apart LISTEN
row 4242 '[1-9][0-9]*' $own ESTABLISHED
row '[1-9][0-9]*' 4242 $own ESTABLISHED
verdict $1
