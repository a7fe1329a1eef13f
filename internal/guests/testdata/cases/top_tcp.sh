# cases: top_tcp top_tcp_fexit top_tcp_kprobe
# A client sends 123456 bytes and receives 70000; a server sends a file of 300000
# by sendfile. Three gadgets look on: the shipped one, and those that it is on
# kernels with nothing but fexit, and with nothing but kprobes.
gadgets="top_tcp top_tcp_fexit top_tcp_kprobe"
listening() {
	until grep -q ":$1 0*:0000 0A" /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done
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
		local="\"src\":{\"addr\":\"[^\"]*\",\"port\":$port,"
		remote="\"dst\":{\"addr\":\"[^\"]*\",\"port\":$port,"
		echo "$port: $(total sent_raw "$local") $(total received_raw "$local") $(total sent_raw "$remote") $(total received_raw "$remote")"
	done
}

head -c 300000 /dev/zero >/tmp/file
pids=
for name in $gadgets; do
	start $name
	pids="$pids$gadget "
	mv /tmp/out /tmp/$name.out
	mv /tmp/err /tmp/$name.err
done
{ head -c 70000 /dev/zero && until [ -e /tmp/done ]; do sleep 0.1; done; } |
	nc -l -p 4244 127.0.0.1 | { head -c 123456 >/dev/null && echo >/tmp/done; } &
server=$!
listening 1094
head -c 123456 /dev/zero | nc 127.0.0.1 4244 >/dev/null
wait $server
nc -l -p 4245 -e /bin/cat /tmp/file &
server=$!
listening 1095
nc 127.0.0.1 4245 </dev/null >/dev/null
wait $server
kill -INT $pids

want="4244: 70000 123456 123456 70000
4245: 300000 0 0 300000"
for name in $gadgets; do
	wait ${pids%% *}
	status=$? gadget= pids=${pids#* }
	mv /tmp/$name.out /tmp/out
	mv /tmp/$name.err /tmp/err
	got=$(sums)
	[ "$got" = "$want" ] || missing=" $want; got $got"
	verdict $name
done
