# This shell holds a file and, for a child, a pipe.
echo text >/tmp/held
exec 7>>/tmp/held
sleep 100 | sleep 100 &
collect snapshot_file
kill $!
exec 7>&-
expect "\"fd\":7,\"flags\":\"O_WRONLY|O_APPEND[A-Z_|]*\",.*\"path\":\"/tmp/held\",\"pid\":$$,.*\"type\":\"regular_file\"" \
	'"comm":"sleep","fd":1,.*"path":"pipe:\[[0-9]*\]",.*"type":"fifo"'
verdict $1
