# Root gives a file away and becomes somebody else, who is refused what root may do;
# twice, of which --unique shows the first time only.
echo somebody:x:1234:1234::/:/bin/sh >>/etc/passwd
touch /tmp/given
attempt() {
	chown 1 /tmp/given
	su somebody -c 'chown 1234 /tmp/given; mknod /tmp/null c 1 3' 2>/dev/null
}
# answer CAP EFFECTIVE CAPABLE INSETID COMM SYSCALL
answer() {
	expect "\"audit\":1,\"cap\":\"$1\",\"cap_effective\":\"$2\",.*\"capable\":$3,.*\"insetid\":$4,.*\"comm\":\"$5\",.*\"syscall\":\"$6\""
}
start trace_capabilities --audit-only
attempt
answer CAP_CHOWN 'CAP_CHOWN|.*' true 0 chown 'SYS_.*CHOWN.*'
answer CAP_SETUID 'CAP_CHOWN|.*' true 1 su SYS_SETUID
answer CAP_CHOWN '' false 0 chown 'SYS_.*CHOWN.*'
answer CAP_MKNOD '' false 0 mknod 'SYS_MKNOD.*'
grep -q '"audit":0' /tmp/out && missing="$missing only what is audited"
kill -INT $gadget
wait $gadget

start trace_capabilities --unique
attempt
attempt
answer CAP_MKNOD '' false 0 mknod 'SYS_MKNOD.*'
[ $(grep -c '"cap":"CAP_CHOWN",.*"capable":true' /tmp/out) = 1 ] || missing="$missing one CAP_CHOWN"
verdict $1
