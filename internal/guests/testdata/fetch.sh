#!/bin/sh
# Saves one file of a Debian package: the one that matches MEMBER, as FILE.
# Usage: fetch.sh SUITE ARCH PACKAGE MEMBER FILE
set -eu
suite=$1 arch=$2 package=$3 member=$4 file=$5
mkdir -p "$(dirname "$file")"
work=$(mktemp -d "$file.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$(dirname "$0")/../../../.ci/deb" "$suite" "$arch" "$work" "$package"
dpkg-deb --fsys-tarfile "$work"/*.deb | tar -xO --wildcards "$member" >"$work/file"
[ -s "$work/file" ] || {
	echo "$package has no file $member" >&2
	exit 1
}
mv "$work/file" "$file"
