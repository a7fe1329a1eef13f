# A program that runs leaves one event with its arguments.
start trace_exec
/bin/echo one 'two three' >/dev/null
expect '"args":"/bin/echo one'
verdict $1
