#!/bin/sh
# Fetches the third-party eBPF headers from Debian 13's packages and lays them
# out in one directory:
#
#   libbpf/bpf/*.h            libbpf-dev
#   vmlinux/ARCH/vmlinux.h    linux-bpf-dev, for amd64 and arm64
#   uapi/linux/*.h …          linux-libc-dev
#   uapi-ARCH/asm/*.h         linux-libc-dev
#   licenses/PACKAGE          the copyright file of each package
#
# The packages are kept in the user's cache, so that only the first run needs the
# network.
#
# Usage: fetch.sh DIRECTORY
set -eu

suite=trixie
out=${1:?usage: fetch.sh DIRECTORY}
packages=$(dirname "$0")/../../../.ci/deb
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/gadget-build/$suite

ls "$cache"/linux-bpf-dev_*_arm64.deb >/dev/null 2>&1 || {
	echo "fetching the third-party eBPF headers (7 MB, Debian $suite)" >&2
	mkdir -p "$(dirname "$cache")"
	work=$(mktemp -d "$cache.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	"$packages" $suite amd64 "$work" linux-bpf-dev libbpf-dev linux-libc-dev
	"$packages" $suite arm64 "$work" linux-bpf-dev
	rm -rf "$cache"
	mv "$work" "$cache"
}

rm -rf "$out"
mkdir -p "$out/deb" "$out/licenses" "$out/libbpf"
for deb in "$cache"/*.deb; do
	name=$(basename "$deb")
	package=${name%%_*}
	dpkg-deb -x "$deb" "$out/deb/$package-${name##*_}"
	cp "$out/deb/$package-${name##*_}/usr/share/doc/$package/copyright" "$out/licenses/$package"
done

cp -r "$out"/deb/libbpf-dev-*/usr/include/bpf "$out/libbpf/bpf"
for pair in amd64:x86_64 arm64:aarch64; do
	arch=${pair%:*}
	triplet=${pair#*:}-linux-gnu
	mkdir -p "$out/vmlinux/$arch" "$out/uapi-$arch"
	cp "$out/deb/linux-bpf-dev-$arch.deb/usr/include/$triplet/linux/bpf/vmlinux.h" "$out/vmlinux/$arch/"
	cp -rL "$out"/deb/linux-libc-dev-*/usr/include/"$triplet"/asm "$out/uapi-$arch/asm"
done
mkdir "$out/uapi"
for dir in "$out"/deb/linux-libc-dev-*/usr/include/*; do
	case $dir in *-linux-gnu* | *-linux-gnux32) ;; *) cp -r "$dir" "$out/uapi/" ;; esac
done
rm -rf "$out/deb"
