# A file that is read leaves its name and number, one that is missing its error.
start trace_open --comm cat
/bin/cat /etc/passwd >/dev/null
/bin/cat /etc/no-such-file 2>/dev/null
expect '"error":"","error_raw":0,.*"fname":"/etc/passwd"' '"error":"ENOENT","error_raw":2,.*"fname":"/etc/no-such-file"'
verdict $1
