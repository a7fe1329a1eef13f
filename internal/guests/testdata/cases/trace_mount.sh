# A file system is mounted, used for a mount too many, and unmounted.
mkdir -p /tmp/place
start trace_mount
mount -t tmpfs -o size=64k,nosuid scratch /tmp/place
mount -t nosuchfs none /tmp/place 2>/dev/null
umount /tmp/place
expect '"data":"size=64k","dest":"/tmp/place","error":"","error_raw":0,"flags":"MS_NOSUID[A-Z_|]*",.*"fs":"tmpfs",.*"op":"mount",.*"src":"scratch"' \
	'"dest":"/tmp/place","error":"ENODEV",.*"fs":"nosuchfs"' \
	'"dest":"/tmp/place","error":"","error_raw":0,.*"op":"umount"'
verdict $1
