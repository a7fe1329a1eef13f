# The way that is taken is the one that this kernel has, and is told.
start choice --comm cat
case $(uname -m),$(uname -r) in
*,5.10.*) way=FENTRY program=by_fentry ;;
aarch64,* | *,6.1.*) way=KPROBE program=by_kprobe ;;
*) way=SESSION program=by_session ;;
esac
/bin/cat /etc/passwd >/dev/null
expect "\"comm\":\"cat\".*\"way\":\"$way\""
grep -q "^opened: $program is used" /tmp/err || missing="$missing told"
gadget image inspect choice --on-this-kernel | grep -q " $program .* used: when" || missing="$missing inspected"
verdict $1
