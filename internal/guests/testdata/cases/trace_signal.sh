# A child is sent a signal and tells its parent that it died; nobody gets another one.
start trace_signal
sleep 100 &
child=$!
kill -USR2 $child
wait $child 2>/dev/null
kill -HUP 4999999 2>/dev/null
expect "\"error\":\"\",\"error_raw\":0,.*\"pid\":$$,.*\"sig\":\"SIGUSR2\".*\"tpid\":$child}" \
	"\"pid\":$child,.*\"sig\":\"SIGCHLD\".*\"tpid\":$$}" \
	'"error":"ESRCH",.*"sig":"SIGHUP".*"tpid":4999999}'
verdict $1
