#!/bin/sh
# The last that Terraform runs on a box. That it comes, by an SSH connection made after the change, is the proof that
# the box can be reached: it keeps the box from taking the change back. It ends as the apply did. Terraform puts two
# lines before this: name=NAME and upload=ID.
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
    say() {
        echo "dual-tunnel-vpn: $*"
    }
    # Where the session was cut the installer may still run.
    [ ! -d "$upload" ] || flock -w 300 "$upload" true || {
        say "the apply has not ended within 300 s: deploy again"
        exit 1
    }
    status=0
    if [ -e "$upload/armed" ] && ! { [ -x "$command" ] && "$command" confirm "$name"; }; then
        status=1
        [ -e "/etc/dual-tunnel-vpn/$name/unconfirmed.json" ] ||
            say "no new SSH connection reached this box in time after the change, which the box has therefore taken back: see to it that the change leaves SSH alone (\`journalctl -u dual-tunnel-vpn-rollback@$name\` on the box) and deploy again"
    elif [ "$(cat "$upload/outcome" 2>/dev/null)" != done ]; then
        status=1
        cat "$upload/outcome" 2>/dev/null || say "the apply was cut off: deploy again"
    fi
    rm -rf "$upload"
    exit $status
'
# shellcheck disable=SC2154 # the two lines that Terraform puts before this set name and upload
if [ "$(id -u)" -eq 0 ]; then
    exec sh -c "$as_root" sh "$name" "$upload"
fi
exec sudo -n sh -c "$as_root" sh "$name" "$upload"
