#!/bin/sh
# What Terraform runs on a box before it changes the connection at the cloud's end: has the box made ready for what was
# uploaded, and stops the deploy where the change would leave no tunnel. A box that has no such connection yet, or
# programs that know nothing of this, is left alone. Terraform puts three lines before this: name=NAME, upload=ID and
# option=, which may be --allow-outage.
set -u
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

# shellcheck disable=SC2016 # it is root's shell that expands this
as_root='
    name=$1
    staging=/run/dual-tunnel-vpn-staging
    upload=$staging/$1.$2
    command=/usr/local/sbin/dual-tunnel-vpn
    # Held while this runs: begin.sh of an apply leaves the upload alone.
    exec 9<"$upload" || exit
    flock -n 9
    status=0
    if [ -x "$command" ] && [ -x /usr/bin/python3 ] && [ -e "/etc/dual-tunnel-vpn/$name/site.json" ] &&
        [ -e /usr/local/lib/dual-tunnel-vpn/current/dual_tunnel_vpn/preparation.py ]; then
        "$command" prepare-change "$name" "$upload" $3 || status=$?
    fi
    rm -rf "$upload"
    # 3: refused. Whatever else is wrong with the programs is mended after the change.
    case $status in
    0) exit 0 ;;
    3) exit 1 ;;
    esac
    echo "dual-tunnel-vpn: this box could not be made ready and is changed as it is"
'
# shellcheck disable=SC2154 # the three lines that Terraform puts before this set name, upload and option
if [ "$(id -u)" -eq 0 ]; then
    exec sh -c "$as_root" sh "$name" "$upload" "$option"
fi
exec sudo -n sh -c "$as_root" sh "$name" "$upload" "$option"
