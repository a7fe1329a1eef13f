# What the cases share. A case starts a gadget, does what it should see, says what
# it expects of the events, and gives its verdict. $1 is the name of the script.
#
#	start trace_open --comm cat
#	cat /etc/passwd >/dev/null
#	expect '"fname":"/etc/passwd"'
#	verdict $1
#
# Events are in /tmp/out, one JSON object a line; what the gadget says in /tmp/err.
gadget= missing=

# start ARGS: runs a gadget and returns when its programs are attached. Waits for its
# words instead of looking for them: emulated processes are slow to start.
start() {
	: >/tmp/err # what the last gadget said
	rm -f /tmp/words
	mkfifo /tmp/words
	gadget run "$@" --host -v -o jsonl --timeout 60s >/tmp/out 2>/tmp/words &
	gadget=$!
	exec 3</tmp/words
	while read -r line <&3; do
		echo "$line" >>/tmp/err
		[ "$line" = ready ] && break
	done
	# Not by cat: while its exec is looked at, that of the case may be skipped.
	while read -r line; do
		echo "$line" >>/tmp/err
	done <&3 &
	words=$!
	exec 3<&-
}

# collect ARGS: runs a gadget that ends by itself.
collect() {
	gadget run "$@" --host -v -o jsonl --timeout 60s >/tmp/out 2>/tmp/err
	status=$?
}

# expect PATTERN…: there must be an event for each, at the latest in ten seconds.
expect() {
	for pattern; do
		tries=50
		until grep -q -e "$pattern" /tmp/out; do
			if [ $tries = 0 ] || ! kill -0 "${gadget:-none}" 2>/dev/null; then
				missing="$missing $pattern"
				break
			fi
			tries=$((tries - 1))
			sleep 0.2
		done
	done
}

# verdict NAME: ends the gadget and reports the case.
verdict() {
	if [ -n "$gadget" ]; then
		kill -INT $gadget 2>/dev/null
		wait $gadget
		status=$?
		wait $words
	fi
	if [ -z "$missing" ]; then
		echo "CASE $1 ok"
	elif [ $status = 3 ]; then
		echo "CASE $1 absent: $(sed -n 's/^gadget: //p' /tmp/err | head -n 1)"
	else
		echo "CASE $1 fail: exit $status, missing$missing: $(tail -n 6 /tmp/err | tr '\n' ' ')"
		tail -c 3000 /tmp/out
	fi
	gadget= missing=
}
