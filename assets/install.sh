#!/bin/sh
# Puts a dual-tunnel IPsec-VPN connection on this box: `sh install.sh apply [--confirmed] DIR`, DIR being the staging
# directory that begin.sh made, with the assets and the bundle of the rendered files: on each line a file's name and its
# content in base64, `end` on the last. --confirmed: confirm.sh comes afterwards, or the box takes the change back.
# Everything is checked before anything is changed; the last line of a refusal is one sentence.
set -u
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

say() {
    echo "dual-tunnel-vpn: $*"
}

refuse() {
    say "$*"
    [ -z "${confirmed-}" ] || say "$*" >"$staging/outcome"
    exit 1
}

# Seconds by a clock that nobody sets: at a first boot the date may jump.
now() {
    cut -d . -f 1 /proc/uptime
}
began=$(now)
elapsed() {
    echo "$(($(now) - began)) s"
}

option=
if [ "$#" -ge 3 ] && [ "$2" = --confirmed ]; then
    option=$2
    shift
    set -- apply "$2" "${3-${SSH_CONNECTION-}}"
fi
if [ "$#" -lt 2 ] || [ "$1" != apply ]; then
    refuse "usage: sh install.sh apply [--confirmed] DIRECTORY"
fi
assets=$(cd "$(dirname "$0")" && pwd) || refuse "the directory of install.sh cannot be entered"
staging=$(cd "$2" 2>/dev/null && pwd) || refuse "the staging directory $2 does not exist on this box"
ssh_connection=${3-${SSH_CONNECTION-}}

if [ "$(id -u)" -ne 0 ]; then
    # shellcheck disable=SC2086 # nothing where there is no option
    exec sudo -n sh "$assets/install.sh" apply $option "$staging" "$ssh_connection"
fi

# Held while this runs: begin.sh of another apply leaves the directory alone.
exec 9<"$staging"
flock -n 9 || refuse "this upload is being installed already"

# Nothing of the upload stays, whatever the outcome: Terraform brings it anew each time. What came of it is for confirm.sh.
confirmed=$option
clean() {
    case $staging in
    /run/dual-tunnel-vpn-staging/*)
        if [ -n "$confirmed" ]; then
            find "$staging" -mindepth 1 -maxdepth 1 ! -name outcome ! -name armed -exec rm -rf {} +
        else
            rm -rf "$staging"
        fi
        ;;
    esac
}
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

umask 077
unpack() {
    while read -r file content; do
        case $file in
        site.json | owner.json | tunnel-[12].conf | secrets-[12].conf)
            printf %s "$content" | base64 -d >"$staging/$file" || return
            ;;
        end) return 0 ;;
        *) return 1 ;;
        esac
    done <"$staging/bundle"
    return 1
}
if [ ! -f "$staging/bundle" ] || ! unpack; then
    refuse "the upload of the configuration was incomplete: deploy again"
fi
rm -f "$staging/bundle"
umask 022

# What the box is.
[ -d /run/systemd/system ] || refuse "this box does not run systemd, which the connection's services need"
command -v ip >/dev/null 2>&1 || refuse "this box has no ip command: install iproute2 (Debian, Ubuntu) or iproute (EL)"
if command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; then
    manager=apt
elif command -v dnf >/dev/null 2>&1; then
    manager=dnf
else
    refuse "this box has neither apt-get nor dnf: Debian, Ubuntu and EL9 (CentOS Stream, Rocky, Alma) are supported"
fi
for directory in /etc /usr/local /var; do
    [ -w "$directory" ] || refuse "$directory is mounted read-only on this box: mount it writable and deploy again"
done

# The uplinks' addresses, by means that a box without Python has (the full check comes with Python).
addresses=$(ip -o -4 addr show | awk '{ sub("/.*", "", $4); print $4 }')
values() { # the texts of a key, one a line
    tr '{}[],' '[\n*]' <"$staging/site.json" | sed -n "s/^ *\"$1\" *: *\"\([^\"]*\)\" *\$/\1/p"
}
for wanted in $(values address); do
    echo "$addresses" | grep -qxF "$wanted" ||
        refuse "an uplink wants the address $wanted, which this box does not have (addresses:" \
            "$(echo "$addresses" | grep -vxF 127.0.0.1 | tr '\n' ' ' | sed 's/ $//'))"
done

# A network namespace of its own shows what the kernel can do and leaves nothing behind.
probe='ip link add probe type xfrm if_id 1 &&
    ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode tunnel if_id 1 \
    aead "rfc4106(gcm(aes))" 0x0102030405060708090a0b0c0d0e0f1011121314 128'
unshare --net sh -c "$probe" >/dev/null 2>&1 || {
    advice="boot a kernel with the modules xfrm_interface and esp4"
    ! grep -qw 'ipv6.disable=1' /proc/cmdline || advice="they need IPv6 in the kernel: boot it without ipv6.disable=1"
    refuse "the kernel $(uname -r) of this box has no XFRM interfaces or no ESP: $advice"
}

installed() {
    case $manager in
    apt) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    dnf) rpm -q "$1" >/dev/null 2>&1 ;;
    esac
}

case $manager in
apt) needed="charon-systemd strongswan-swanctl libstrongswan-standard-plugins nftables" ;;
dnf) needed="strongswan nftables" ;;
esac
command -v python3 >/dev/null 2>&1 || needed="python3 $needed"
missing=
if [ -n "$(values cloudAddress)" ]; then # BGP's speaker, where the connection has BGP
    case $manager in apt) needed="$needed bird2" ;; dnf) needed="$needed bird" ;; esac
fi
for package in $needed; do
    installed "$package" || missing="$missing $package"
done

# Output goes to a file that is shown only when something went wrong.
log=$staging/log

lock_patience=120
lock_held() {
    grep -m 1 -E 'Could not get lock|lock was locked by another process' "$log"
}

# Runs a program of the package manager, and again while another program holds one of its locks, as
# unattended-upgrades does at a first boot. DPkg::Lock::Timeout would cover neither apt's own locks nor dpkg's calls.
unlocked() {
    deadline=$(($(now) + lock_patience))
    told=
    until "$@" >"$log" 2>&1 </dev/null; do
        lock_held >/dev/null || return 1
        [ "$(now)" -lt "$deadline" ] || return 1
        [ -n "$told" ] || say "another program uses the package manager, waiting for up to $lock_patience s: $(lock_held)"
        told=yes
        sleep 1
    done
}

export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
apt_get() {
    unlocked apt-get -q -y -o Dpkg::Use-Pty=0 \
        -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o Acquire::Retries=1 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold --no-install-recommends "$@"
}

last_words() {
    if lock_held >/dev/null; then
        echo "another program has used the package manager for $lock_patience s, wait for it to end and deploy again" \
            "($(lock_held))"
        return
    fi
    grep -E '^(E:|Error|dpkg:)' "$log" | tail -n 1 | grep . || tail -n 1 "$log"
}

fetch() {
    case $manager in
    apt)
        # An installation that was cut off is completed first: apt-get refuses all else until then.
        if [ -n "$(ls /var/lib/dpkg/updates 2>/dev/null)" ] || dpkg --audit 2>/dev/null | grep -q .; then
            unlocked dpkg --configure -a --force-confdef --force-confold
            apt_get install -f || return 1
        fi
        apt_get install --download-only "$@" ||
            { ! lock_held >/dev/null && apt_get update && apt_get install --download-only "$@"; }
        ;;
    dnf)
        dnf -q -y install --downloadonly "$@" >"$log" 2>&1 </dev/null || {
            dnf -q -y install epel-release >"$log" 2>&1 </dev/null &&
                dnf -q -y install --downloadonly "$@" >"$log" 2>&1 </dev/null
        }
        ;;
    esac
}

add() {
    case $manager in
    apt) apt_get install "$@" ;;
    dnf) dnf -q -y install "$@" >"$log" 2>&1 </dev/null ;;
    esac
}

if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # a list of packages
    fetch $missing || {
        cat "$log"
        refuse "the packages$missing cannot be had on this box: $(last_words)"
    }
    say "fetched the packages$missing ($(elapsed))"
    case " $missing " in
    *" python3 "*)
        add python3 || {
            cat "$log"
            refuse "the package python3 cannot be installed on this box: $(last_words)"
        }
        ;;
    esac
    # shellcheck disable=SC2086 # nothing where there is no option
    python3 -IB "$assets/dual-tunnel-vpn" prepare "$staging" $confirmed --ssh "$ssh_connection" --packages "$missing" || exit 1
    # strongSwan is started once, later, with everything in place. A mask in /run does not outlive a reboot.
    installed strongswan-swanctl || installed strongswan || systemctl mask --runtime --quiet --no-reload strongswan.service 2>/dev/null
    # shellcheck disable=SC2086 # a list of packages
    add $missing || {
        cat "$log"
        name=$(values name)
        [ -e "/etc/dual-tunnel-vpn/$name/site.json" ] || python3 -IB "$assets/dual-tunnel-vpn" uninstall "$name"
        refuse "the packages$missing cannot be installed on this box: $(last_words)"
    }
    say "installed the packages$missing ($(elapsed))"
fi
# shellcheck disable=SC2086 # nothing where there is no option
python3 -IB "$assets/dual-tunnel-vpn" apply "$staging" $confirmed --ssh "$ssh_connection"
