# A child of this shell is there, with its parent; a process has one row, and a
# thread of another name one more.
sleep 100 &
child=$!
gadget run snapshot_process --host -o jsonl --timeout 20s >/tmp/out 2>/tmp/err
status=$?
gadget run snapshot_process --host --threads -o jsonl --timeout 20s >/tmp/threads 2>>/tmp/err
kill $child
own=$(grep -c '"comm":"gadget"' /tmp/out)
threads=$(grep -c '"comm":"gadget"' /tmp/threads)
if grep -q "\"comm\":\"sleep\",.*\"parent\":{\"comm\":\"[a-z]*\",\"pid\":$$,\"tid\":$$},\"pid\":$child,.*\"tid\":$child}" /tmp/out &&
	grep -q '"pid":1,' /tmp/out && [ "$own" = 1 ] && [ "$threads" -gt 1 ]; then
	echo "CASE $1 ok"
else
	echo "CASE $1 fail: exit $status, $own of $threads threads: $(head -n 3 /tmp/err | tr '\n' ' ')"
	head -c 2000 /tmp/out
fi
