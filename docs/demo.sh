#!/bin/sh
# Shows gadget at work: real containers, and what they run and open. Takes about
# 15 seconds, needs root, and leaves nothing behind: where no docker answers, it
# starts one of its own on a private socket and stops it at the end.
#
# Usage: docs/demo.sh [GADGET]
set -eu

gadget=$(realpath "${1:-bin/gadget}")
image=gadget-demo-tiny
dir=$(mktemp -d /tmp/gadget-demo.XXXXXX)
daemon=
workload=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# Ends only what this script has started.
clean() {
	status=$?
	trap - EXIT INT TERM
	[ -z "$workload" ] || kill "$workload" 2>/dev/null || true
	docker rm --force gadget-demo-web gadget-demo-batch >/dev/null 2>&1 || true
	if [ -n "$daemon" ]; then
		kill "$daemon" 2>/dev/null || true
		wait "$daemon" 2>/dev/null || true
	else
		docker rmi --force "$image" >/dev/null 2>&1 || true
	fi
	rm -rf "$dir"
	exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

[ "$(id -u)" -eq 0 ] || {
	echo "the demo loads programs into the kernel: run it as root" >&2
	exit 3
}

if docker version >/dev/null 2>&1; then
	say "Using the docker that runs here"
else
	say "Starting a docker of our own (private socket, no network)"
	echo '{}' >"$dir/daemon.json"
	dockerd --config-file "$dir/daemon.json" --host "unix://$dir/docker.sock" --data-root "$dir/data" --exec-root "$dir/exec" \
		--pidfile "$dir/pid" --bridge=none --iptables=false >"$dir/log" 2>&1 &
	daemon=$!
	export DOCKER_HOST="unix://$dir/docker.sock"
	for _ in $(seq 150); do
		docker version >/dev/null 2>&1 && break
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.2
	done
	docker version >/dev/null 2>&1 || {
		tail -n 20 "$dir/log" >&2
		echo "dockerd does not start" >&2
		exit 1
	}
fi

# A tiny image without a registry: busybox and links to it.
mkdir -p "$dir/root/bin" "$dir/root/tmp"
cp "$(command -v busybox)" "$dir/root/bin/busybox"
for applet in sh ls cat sleep id date; do ln -s busybox "$dir/root/bin/$applet"; done
tar -C "$dir/root" -c . | docker import --change 'ENV PATH=/bin' - "$image" >/dev/null

say "Two containers: 'web' works all the time, 'batch' is started again and again"
docker run --detach --network=none --name gadget-demo-web "$image" \
	sh -c 'while :; do /bin/date +%s; /bin/ls /tmp; /bin/cat /etc/hostname /var/missing 2>/dev/null; /bin/sleep 1; done' >/dev/null
(
	while :; do
		docker run --rm --network=none --name gadget-demo-batch "$image" sh -c '/bin/id -u; /bin/cat /etc/hostname' >/dev/null 2>&1
		sleep 1
	done
) &
workload=$!

# Each command as it would be typed.
show() {
	line="# gadget"
	for word; do
		case $word in
		*[!-A-Za-z0-9_.,:/=]*) line="$line '$word'" ;;
		*) line="$line $word" ;;
		esac
	done
	say "$line"
	"$gadget" "$@"
}

show run trace_exec --timeout 6s
show run trace_open -c gadget-demo-web --failed --fields runtime.containerName,proc.comm,fname,error --timeout 3s
show run trace_exec -F 'proc.comm == "cat"' -o json --max-events 1 --timeout 5s
say "Done."
