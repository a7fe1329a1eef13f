# This shell holds a file and, for a child, a pipe.
echo text >/tmp/held
exec 7>>/tmp/held
sleep 20 | sleep 20 &
gadget run snapshot_file --host -o jsonl --timeout 20s >/tmp/out 2>/tmp/err
status=$?
kill $!
exec 7>&-
if grep -q "\"fd\":7,\"flags\":\"O_WRONLY|O_APPEND[A-Z_|]*\",.*\"path\":\"/tmp/held\",\"pid\":$$,.*\"type\":\"regular_file\"" /tmp/out &&
	grep -q '"comm":"sleep","fd":1,.*"path":"pipe:\[[0-9]*\]",.*"type":"fifo"' /tmp/out; then
	echo "CASE $1 ok"
else
	echo "CASE $1 fail: exit $status: $(head -n 3 /tmp/err | tr '\n' ' ')"
	head -c 2000 /tmp/out
fi
