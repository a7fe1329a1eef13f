# A snapshot has the shell that runs this case.
gadget run tasks --host -o jsonl --timeout 20s >/tmp/out 2>/tmp/err
status=$?
if grep -q "\"pid\":$$," /tmp/out; then
	echo "CASE $1 ok"
else
	echo "CASE $1 fail: exit $status: $(head -n 3 /tmp/err | tr '\n' ' ')"
	head -c 1000 /tmp/out
fi
