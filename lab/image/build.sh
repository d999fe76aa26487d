#!/bin/sh
# Builds the images of both lab machines into the directory $1, all or nothing; the other arguments are mmdebstrap's,
# without its mode and hooks. To be run under the cache's lock: leftovers of a build that was killed are removed first.
set -eu

destination=$1
shift
[ ! -d "$destination" ] || exit 0

cache=$(dirname "$destination")
here=$(dirname "$(readlink -f "$0")")
trees=${TMPDIR:-/tmp}/dual-tunnel-vpn-image-$(printf '%s' "$cache" | cksum | cut -d ' ' -f 1)

rm -rf --one-file-system "$cache"/*.building "$trees".* || true
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +13 -exec rm -rf {} +
staging=$destination.building
mkdir "$staging"
TMPDIR=$(mktemp -d "$trees.XXXXXX")
export TMPDIR
chmod 755 "$TMPDIR"
trap 'rm -rf --one-file-system "$TMPDIR" "$staging"' EXIT

# Debian's own initial RAM disk is not needed: customize.sh makes a smaller one.
export INITRD=No
if [ "$(id -u)" = 0 ]; then
  # With mounts of its own, so that a killed build leaves none behind.
  unshare --mount mmdebstrap --mode=root --customize-hook="sh '$here/customize.sh' \"\$1\" '$staging'" "$@"
else
  # The hooks then run as another user id, which can write only inside the tree: the images go out through it.
  # shellcheck disable=SC2016 # for the hook's shell
  mmdebstrap --mode=unshare \
    --customize-hook="LAB_OUT=\$(mktemp -d) && sh '$here/customize.sh' \"\$1\" \"\$LAB_OUT\" && mv \"\$LAB_OUT\" \"\$1/lab-out\"" \
    --customize-hook="sync-out /lab-out '$staging'" "$@"
fi
mv "$staging" "$destination"
