# cases: trace_exec_paths trace_open_paths
# With all switches on: other programs, as far as the verifier is concerned.
echo '#!/no/interpreter' >/tmp/script
chmod +x /tmp/script
mkdir -p /tmp/deep/down
ln -sf /etc/passwd /tmp/deep/down/link
work() { (cd /tmp/deep/down && /bin/cat link >/dev/null && /tmp/script five "six seven" 2>/dev/null); }

start trace_exec --ignore-failed=false --paths
work
expect '"args":"/bin/cat link",.*"cwd":"/tmp/deep/down",.*"exepath":"/bin/[a-z]*",.*"file":"/bin/cat"' \
	'"args":"/tmp/script five .*six seven.*"error":"ENOENT"'
verdict trace_exec_paths

start trace_open --paths
work
expect '"fname":"link","fpath":"/etc/passwd"'
verdict trace_open_paths
