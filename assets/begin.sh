#!/bin/sh
# The first that Terraform runs on a box: sees that nobody else can meddle and makes a directory for the upload, which
# is told from other applies' by its name. Terraform puts two lines before this: name=NAME and upload=ID.
set -u
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

refuse() {
    echo "dual-tunnel-vpn: $*"
    exit 1
}

[ "$(uname -s)" = Linux ] || refuse "this box runs $(uname -s), not Linux"

# Terraform makes its scripts writable for everybody. What keeps others from adding a line of theirs is a directory, the
# scripts' own or one above, that nobody else may enter or put another in the place of.
scripts=$(cd "$(dirname "$0")" && pwd -P) || refuse "the directory of Terraform's scripts cannot be entered"
me=$(id -u)
closed=
place=$scripts
while :; do
    # shellcheck disable=SC2012,SC2046 # mode, links, owner; the name, which comes last, is not looked at
    set -- $(ls -ldn "$place")
    case $1 in d???------*) [ "$3" -ne "$me" ] || closed=yes ;; esac
    if [ -n "$closed" ]; then
        [ "$3" -eq "$me" ] || [ "$3" -eq 0 ] ||
            refuse "$place on this box, which holds the directory of Terraform's scripts, belongs to another user"
        case $1 in
        d????????[tT]*) ;;
        d????w* | d???????w*) refuse "other users of this box can write to $place, which holds the directory of Terraform's scripts: run \`chmod go-w $place\`" ;;
        esac
    fi
    [ "$place" != / ] || break
    place=$(dirname "$place")
done
[ -n "$closed" ] ||
    refuse "other users of this box can enter $scripts, where Terraform's scripts go: run \`chmod 700 $scripts\`, or name another directory in ssh.scriptDirectory"
find "$scripts" -maxdepth 1 -name 'dual-tunnel-vpn-*.sh' -size 0 -mmin +10 -exec rm -f {} +
# Where the version before put its uploads.
rm -rf .dual-tunnel-vpn

# An upload that a cut session left goes now, unless it may be another apply's: younger than two minutes, or being installed.
# shellcheck disable=SC2016 # it is root's shell that expands this
as_root='
    umask 077
    staging=/run/dual-tunnel-vpn-staging
    mkdir -p -m 711 "$staging" || exit
    find "$staging" -mindepth 1 -maxdepth 1 -mmin +2 -exec flock -n {} rm -rf {} \;
    mkdir "$staging/$1" "$staging/$1/assets" && chown -R "$2" "$staging/$1"
'
# shellcheck disable=SC2154 # the two lines that Terraform puts before this set name and upload
if [ "$me" -eq 0 ]; then
    sh -c "$as_root" sh "$name.$upload" "$me"
else
    user=$(id -un)
    advice="allow it in /etc/sudoers.d or connect as root"
    command -v sudo >/dev/null 2>&1 || refuse "the SSH user $user is not root and this box has no sudo; connect as root"
    sudo -n sh -c : 2>/dev/null || refuse "the SSH user $user cannot run sudo without a password on this box; $advice"
    sudo -n sh -c "$as_root" sh "$name.$upload" "$me"
fi || refuse "/run of this box takes no upload"
