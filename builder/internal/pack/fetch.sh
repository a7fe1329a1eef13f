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
# Nothing is installed. apt works in a directory of its own, with the mirror and
# the keyring of the system's own sources, and the packages are kept in the
# user's cache, so that only the first run needs the network.
#
# Usage: fetch.sh DIRECTORY
set -eu

suite=trixie
out=${1:?usage: fetch.sh DIRECTORY}
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/gadget-build/$suite

die() {
	echo "eBPF headers: $1" >&2
	shift
	for line in "$@"; do echo "  $line" >&2; done
	exit 1
}

for tool in apt-get dpkg-deb; do
	command -v $tool >/dev/null || die "$tool is not installed" \
		"The headers come from Debian 13's packages. Run this on Debian or Ubuntu," \
		"or copy a directory made there to $cache."
done

# The first source that Debian's own key signs; security mirrors lack the suite.
mirror() {
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
		sed -n 's/^URIs: *\([^ ]*\).*/\1/p' | grep -E '/debian/?$' | head -n 1
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n 's/^deb \(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' | grep -E '/debian/?$' | head -n 1
}

fetch() {
	url=${GADGET_DEBIAN_MIRROR:-$(mirror | head -n 1)}
	[ -n "$url" ] || die "no Debian mirror among this machine's apt sources" \
		"Set GADGET_DEBIAN_MIRROR to one and try again."
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -e "$key" ] || die "$key is missing" "Install it: apt-get install debian-archive-keyring"

	mkdir -p "$(dirname "$cache")"
	work=$(mktemp -d "$cache.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/debs"
	echo "deb [signed-by=$key target=Packages lang=none] $url $suite main" >"$work/sources.list"

	for arch in amd64 arm64; do
		packages=linux-bpf-dev
		[ $arch = amd64 ] && packages="$packages libbpf-dev linux-libc-dev"
		(
			cd "$work/debs"
			apt() {
				apt-get -q -o Dir::State::lists="$work/lists" -o Dir::Cache="$work" \
					-o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
					-o Dir::State::status=/dev/null -o APT::Update::Error-Mode=any \
					-o APT::Sandbox::User=root -o APT::Architecture=$arch \
					-o APT::Architectures::=$arch "$@"
			}
			# shellcheck disable=SC2086 # a list of words
			apt update >"$work/log" 2>&1 && apt download $packages >>"$work/log" 2>&1
		) || die "cannot download Debian $suite packages for $arch from $url" \
			"$(tail -n 3 "$work/log")" "Set GADGET_DEBIAN_MIRROR to another mirror, or try again later."
	done
	rm -rf "$cache"
	mv "$work/debs" "$cache"
}

ls "$cache"/linux-bpf-dev_*_arm64.deb >/dev/null 2>&1 || {
	echo "fetching the third-party eBPF headers (7 MB, Debian $suite)" >&2
	fetch
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
