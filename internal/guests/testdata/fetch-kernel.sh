#!/bin/sh
# fetch-kernel.sh DIR SUITE ARCH PACKAGE-PATTERN NAME: unpacks the newest Debian kernel
# package that matches into DIR/NAME, without touching the system's own packages.
set -eu
dir=$1 suite=$2 arch=$3 pattern=$4 name=$5
mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/deb"
sources=$(ls /etc/apt/sources.list.d/*.sources | head -n 1)
uri=$(sed -n 's/^URIs: *//p' "$sources" | head -n 1)
key=$(sed -n 's/^Signed-By: *//p' "$sources" | head -n 1)
echo "deb [signed-by=$key] $uri $suite main" >"$dir/sources.list"
apt() {
	tool=$1
	shift
	"$tool" -q -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" \
		-o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=- \
		-o APT::Sandbox::User=root -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" "$@"
}
apt apt-get update
regex=$(echo "$pattern" | sed 's/\./\\./g; s/\*/.*/g; s/\\\.\.\*/\\..*/g')
package=$(apt apt-cache search --names-only "^$regex\$" | cut -d' ' -f1 | sort -V | tail -n 1)
[ -n "$package" ] || {
	echo "no package matches $pattern in $suite" >&2
	exit 1
}
cd "$dir/deb"
rm -f ./*.deb
apt apt-get download "$package"
rm -rf "$dir/$name"
mkdir -p "$dir/$name.tmp"
dpkg-deb -x ./*.deb "$dir/$name.tmp"
mv "$dir/$name.tmp" "$dir/$name"
rm -f ./*.deb
