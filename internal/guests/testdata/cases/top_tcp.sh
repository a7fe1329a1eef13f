# cases: top_tcp top_tcp_fexit top_tcp_kprobe
# A client sends 12345 bytes and receives 7000; a server sends a file of 30000 by
# sendfile. Three gadgets look on: the shipped one, and those that it is on kernels
# with nothing but fexit, and with nothing but kprobes.
#
# Everything fits into buffers, and one end rests while the other one talks: a kernel
# skips a program that is running on the CPU already, and there is one CPU.
gadgets="top_tcp top_tcp_fexit top_tcp_kprobe"

# until_socket PORT STATE [QUEUE]: a socket of that local port, in hex as in /proc/net/tcp
until_socket() {
	until grep -q ":$1 [0-9A-F]*:[0-9A-F]* $2 [0-9A-F]*:${3:-} *" /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done
}

# total FIELD PATTERN: the sum over all rows that match
total() {
	sum=0
	for n in $(grep -e "$2" /tmp/out | sed "s/.*\"$1\":\([0-9]*\).*/\1/"); do sum=$((sum + n)); done
	echo $sum
}

# sums: what was seen at both ends of both connections
sums() {
	for port in 4244 4245; do
		local="\"src\":{\"addr\":\"[^\"]*\",\"k8s\":{[^}]*},\"port\":$port,"
		remote="\"dst\":{\"addr\":\"[^\"]*\",\"k8s\":{[^}]*},\"port\":$port,"
		echo "$port: $(total sent_raw "$local") $(total received_raw "$local") $(total sent_raw "$remote") $(total received_raw "$remote")"
	done
}

head -c 12345 /dev/zero >/tmp/question
head -c 7000 /dev/zero >/tmp/answer
head -c 30000 /dev/zero >/tmp/file
pids=
for name in $gadgets; do
	start $name
	pids="$pids$gadget "
	mv /tmp/out /tmp/$name.out
	mv /tmp/err /tmp/$name.err
done
nc -l -p 4244 127.0.0.1 </tmp/answer >/dev/null &
server=$!
until_socket 1094 0A
kill -STOP $server
nc 127.0.0.1 4244 </tmp/question >/dev/null &
client=$!
until_socket 1094 08 0000303A # closed at the other end: 12345 bytes, and the end
kill -STOP $client
kill -CONT $server
wait $server
kill -CONT $client
wait $client
nc -l -p 4245 -e /bin/cat /tmp/file &
server=$!
until_socket 1095 0A
kill -STOP $server
nc 127.0.0.1 4245 </dev/null >/dev/null &
client=$!
until_socket 1095 08
kill -STOP $client
kill -CONT $server
wait $server
kill -CONT $client
wait $client
kill -INT $pids

want="4244: 7000 12345 12345 7000
4245: 30000 0 0 30000"
for name in $gadgets; do
	wait ${pids%% *}
	status=$? gadget= pids=${pids#* }
	mv /tmp/$name.out /tmp/out
	mv /tmp/$name.err /tmp/err
	got=$(sums)
	[ "$got" = "$want" ] || missing=" $want; got $got"
	verdict $name
done
