# A child of this shell is there, with its parent; a process has one row, and a
# thread of another name one more.
sleep 100 &
child=$!
collect snapshot_process
expect "\"comm\":\"sleep\",.*\"parent\":{\"comm\":\"[a-z]*\",\"pid\":$$,\"tid\":$$},\"pid\":$child,.*\"tid\":$child}" '"pid":1,'
[ "$(grep -c '"comm":"gadget"' /tmp/out)" = 1 ] || missing="$missing exactly one gadget"
collect snapshot_process --threads
[ "$(grep -c '"comm":"gadget"' /tmp/out)" -gt 1 ] || missing="$missing threads of gadget"
kill $child
verdict $1
