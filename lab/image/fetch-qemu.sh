#!/bin/sh
# Fetches QEMU of the apt sources that follow into the directory $1, as its packages lay it out. Nothing of the host
# changes: apt works on lists and downloads of its own.
set -eu

destination=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
printf '%s\n' "$@" >"$work/sources.list"

own_apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@"
}
own_apt -o Acquire::Languages=none update
cd "$work/debs"
own_apt download qemu-system-x86 qemu-system-common qemu-system-data qemu-utils seabios
for package in *.deb; do dpkg --extract "$package" "$destination"; done
"$destination/usr/bin/qemu-system-x86_64" --version >/dev/null
"$destination/usr/bin/qemu-img" --version >/dev/null
