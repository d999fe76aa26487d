#!/bin/sh
# Puts a dual-tunnel IPsec-VPN connection on this box: `sh install.sh apply [--confirmed] DIR`, DIR being the staging
# directory that begin.sh made, with the assets and the bundle of the rendered files: on each line a file's name and its
# content in base64, `end` on the last. --confirmed: confirm.sh comes afterwards, or the box takes the change back.
# Everything is checked before anything is changed; a refusal ends in all that is wrong, one sentence a line.
set -u
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

say() {
    echo "dual-tunnel-vpn: $*"
}

# What keeps the connection from this box, one sentence a line; told together, here and by confirm.sh.
problems=
problem() {
    problems="$problems$*
"
}
refuse_if_any() {
    [ -n "$problems" ] || return 0
    told=$(printf %s "$problems" | sed 's/^/dual-tunnel-vpn: /')
    # First what confirm.sh tells: whoever reads this may be gone.
    [ -z "${confirmed-}" ] || printf '%s\n' "$told" >"$staging/outcome"
    printf '%s\n' "$told"
    exit 1
}
refuse() {
    problem "$*"
    refuse_if_any
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
        site.json | owner.json | tunnel-[12].conf | secrets-[12].conf | time | packages | drift)
            printf %s "$content" | base64 -d >"$staging/$file" || return
            ;;
        end) return 0 ;;
        *) return 1 ;;
        esac
    done <"$staging/bundle"
    return 1
}
if [ ! -f "$staging/bundle" ] || ! unpack; then
    [ "$(df -k --output=avail "$staging" | tail -n 1)" -ge 1024 ] ||
        refuse "/run has less than 1 MiB free on this box: see what fills it, and deploy again"
    refuse "the upload of the configuration was incomplete: deploy again"
fi
rm -f "$staging/bundle"
umask 022

# What the box is. Whatever is wrong is noted, until nothing more can be asked.
[ -d /run/systemd/system ] || problem "this box does not run systemd, which the connection's services need"
if command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; then
    manager=apt
elif command -v dnf >/dev/null 2>&1; then
    manager=dnf
else
    manager=
    problem "this box has neither apt-get nor dnf: Debian, Ubuntu and EL9 (CentOS Stream, Rocky, Alma) are supported"
fi

at_least() { # VERSION MAJOR MINOR: whether the version is that or a later one
    major=${1%%[!0-9]*}
    minor=${1#"$major"}
    minor=${minor#?}
    minor=${minor%%[!0-9]*}
    [ "${major:-0}" -gt "$2" ] || { [ "${major:-0}" -eq "$2" ] && [ "${minor:-0}" -ge "$3" ]; }
}

values() { # the texts of a key, one a line
    tr '{}[],' '[\n*]' <"$staging/site.json" | sed -n "s/^ *\"$1\" *: *\"\([^\"]*\)\" *\$/\1/p"
}

# A box without Python is asked roughly, before it is given Python; the full checks come with it.
ask_roughly() {
    for directory in /etc /usr/local /var; do
        [ -w "$directory" ] || problem "$directory is mounted read-only on this box: mount it writable and deploy again"
    done
    addresses=$(ip -o -4 addr show 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }')
    for wanted in $(values address); do
        echo "$addresses" | grep -qxF "$wanted" ||
            problem "an uplink wants the address $wanted, which this box does not have (addresses:" \
                "$(echo "$addresses" | grep -vxF 127.0.0.1 | tr '\n' ' ' | sed 's/ $//'))"
    done
}

# iproute2 went by the day of its release (ss190107) before it went by its version; 5.1 is of May 2019.
tool=$(ip -V 2>/dev/null | sed -n 's/.*iproute2-v*\([^ ,]*\).*/\1/p')
release=$(uname -r)
if ! command -v ip >/dev/null 2>&1; then
    problem "this box has no ip command: install iproute2 (Debian, Ubuntu) or iproute (EL)"
elif [ -n "$tool" ] && ! at_least "$tool" 5 1 && ! at_least "${tool#ss}" 190501 0; then
    problem "iproute2 $tool of this box is too old: 5.1 or newer is needed"
elif ! at_least "$release" 4 19; then
    problem "the kernel $release of this box is too old: 4.19 or newer is needed, the first with XFRM interfaces"
else
    # A network namespace of its own shows what the kernel can do and leaves nothing behind.
    probe='ip link add probe type xfrm if_id 1 &&
        ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode tunnel if_id 1 \
        aead "rfc4106(gcm(aes))" 0x0102030405060708090a0b0c0d0e0f1011121314 128'
    unshare --net sh -c "$probe" >/dev/null 2>&1 || {
        advice="boot a kernel with the modules xfrm_interface and esp4"
        ! grep -qw 'ipv6.disable=1' /proc/cmdline || advice="they need IPv6 in the kernel: boot it without ipv6.disable=1"
        problem "the kernel $release of this box has no XFRM interfaces or no ESP: $advice"
    }
fi

installed() {
    case $manager in
    apt) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    dnf) rpm -q "$1" >/dev/null 2>&1 ;;
    esac
}

case $manager in
apt) needed="charon-systemd strongswan-swanctl libstrongswan-standard-plugins nftables" ;;
dnf) needed="strongswan nftables" ;;
*) needed= ;;
esac
has_python() { command -v python3 >/dev/null 2>&1; }
has_python || needed="python3 $needed"
if [ -n "$(values cloudAddress)" ]; then # BGP's speaker, where the connection has BGP
    case $manager in apt) needed="$needed bird2" ;; dnf) needed="$needed bird" ;; esac
fi
[ -z "$(values otherLanAddress)" ] || needed="$needed keepalived" # VRRP, where the connection has two boxes
missing=
for package in $needed; do
    installed "$package" || missing="$missing $package"
done

# Where packages come from: the box's own sources, a directory of the box's, or nowhere.
packages=repositories
[ ! -f "$staging/packages" ] || packages=$(cat "$staging/packages")

# What is wrong with a directory of packages: nothing, where none but root can change it, its packages, or what leads there.
not_only_roots() {
    find "$1" -mindepth 1 -maxdepth 1 \( -name '*.deb' -o -name '*.rpm' \) \
        \( ! -type f -o ! -uid 0 -o -perm /022 \) | sed -n '1s/$/ is no file that only root can change/p' | grep . && return
    place=$1
    while :; do
        find "$place" -maxdepth 0 \( ! -uid 0 -o -perm /022 \) | sed 's/.*/others than root can change &/' | grep . && return
        [ "$place" != / ] || return 0
        place=$(dirname "$place")
    done
}

# Output goes to a file that is shown only when something went wrong.
log=$staging/log

lock_patience=120
lock_held() {
    grep -m 1 -E 'Could not get lock|lock was locked by another process|already locked by [0-9]' "$log"
}

# Runs a program of the package manager, and again while another program holds one of its locks, as
# unattended-upgrades does at a first boot, or dnf-makecache. DPkg::Lock::Timeout would cover neither apt's own locks nor
# dpkg's calls, and dnf by itself waits for ever.
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

# A directory's packages are the only source, made of what is there: apt's in the staging directory, where dnf takes files.
apt_source=
offer() {
    repository=$staging/repository
    mkdir -p "$repository" "$staging/lists/partial"
    for file in "$packages"/*.deb; do
        [ -f "$file" ] || continue
        # A name that needs no quoting anywhere.
        link=$(sha256sum <"$file" | cut -d ' ' -f 1)
        ln -sf "$file" "$repository/$link.deb"
        dpkg-deb -f "$file" &&
            printf 'Filename: ./%s.deb\nSize: %s\nSHA256: %s\n\n' "$link" "$(stat -c %s "$file")" "$link"
    done >"$repository/Packages"
    echo "deb [trusted=yes] file:$repository ./" >"$repository/sources.list"
    apt_source="-o Dir::Etc::SourceList=$repository/sources.list -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists=$staging/lists -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root"
}

export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
apt_get() {
    # shellcheck disable=SC2086 # options, none of which has a space
    unlocked apt-get -q -y $apt_source -o Dpkg::Use-Pty=0 \
        -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o Acquire::Retries=1 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold --no-install-recommends "$@"
}

dnf_install() {
    if [ "$packages" != repositories ]; then set -- --disablerepo='*' "$@"; fi
    unlocked dnf -q -y --setopt=exit_on_lock=True install "$@"
}

last_words() {
    if lock_held >/dev/null; then
        echo "another program has used the package manager for $lock_patience s, wait for it to end and deploy again" \
            "($(lock_held))"
        return
    fi
    if grep -q '^Error: Unable to find a match: epel-release' "$log"; then
        echo "strongSwan is one of EPEL's packages, and no source of this box has epel-release: install that first"
        return
    fi
    grep -E '^(E:|Error|dpkg:)' "$log" | tail -n 1 | grep . || tail -n 1 "$log"
}

fetch() {
    case $manager in
    apt)
        # An installation that was cut off is completed first: apt-get refuses all else until then.
        if [ -n "$(ls /var/lib/dpkg/updates 2>/dev/null)" ] || dpkg --audit 2>/dev/null | grep -q .; then
            [ -z "$problems" ] || return 0
            unlocked dpkg --configure -a --force-confdef --force-confold
            apt_get install -f || return 1
        fi
        apt_get install --download-only "$@" ||
            { ! lock_held >/dev/null && apt_get update && apt_get install --download-only "$@"; }
        ;;
    dnf)
        if [ "$packages" != repositories ]; then
            offered=" $(rpm -qp --qf '%{NAME} ' "$packages"/*.rpm 2>/dev/null)"
            for package in "$@"; do
                case $offered in *" $package "*) ;; *)
                    echo "Error: no $package among its packages" >"$log"
                    return 1
                    ;;
                esac
            done
            dnf_install --downloadonly "$packages"/*.rpm
            return
        fi
        dnf_install --downloadonly "$@" || {
            # Whether it has them is seen once it is there, which is a change: not made where something else is wrong.
            dnf_install ${problems:+--downloadonly} epel-release &&
                { [ -n "$problems" ] || dnf_install --downloadonly "$@"; }
        }
        ;;
    esac
}

add() {
    case $manager in
    apt) apt_get install "$@" ;;
    dnf)
        [ "$packages" = repositories ] || set -- "$packages"/*.rpm
        dnf_install "$@"
        ;;
    esac
}

# The version of strongSwan that is there, or would be.
strongswan_version() {
    case $manager in
    apt)
        if installed charon-systemd; then
            dpkg-query -W -f '${Version}' charon-systemd
        else
            # shellcheck disable=SC2086 # options, none of which has a space
            apt-cache $apt_source policy charon-systemd 2>/dev/null | sed -n 's/^ *Candidate: \([0-9].*\)/\1/p'
        fi
        ;;
    dnf)
        if installed strongswan; then
            rpm -q --qf '%{VERSION}\n' strongswan
        elif [ "$packages" = repositories ]; then
            dnf -q -C repoquery --latest-limit 1 --qf '%{VERSION}' strongswan 2>/dev/null
        else
            rpm -qp --qf '%{NAME} %{VERSION}\n' "$packages"/*.rpm 2>/dev/null | sed -n 's/^strongswan //p'
        fi | head -n 1
        ;;
    esac
}

# What the package manager can do about what is missing; nothing is installed yet.
ask_for_packages() {
    case $packages in
    repositories) from="on this box" ;;
    none)
        problem "the packages$missing are missing on this box and left to you (BoxPackages.provided): install them"
        return
        ;;
    *)
        from="from the directory $packages of this box"
        case $packages in
        /*[!A-Za-z0-9._/-]* | [!/]*) wrong="it is no absolute path of letters, digits and . _ - /" ;;
        *)
            wrong="it is not there"
            ! place=$(cd "$packages" 2>/dev/null && pwd -P) || { packages=$place && wrong=$(not_only_roots "$place"); }
            ;;
        esac
        if [ -n "$wrong" ]; then
            problem "the packages$missing cannot be had $from: $wrong"
            return
        fi
        [ "$manager" != apt ] || offer
        ;;
    esac
    # shellcheck disable=SC2086 # a list of packages
    fetch $missing || {
        cat "$log"
        problem "the packages$missing cannot be had $from: $(last_words)"
        return
    }
    say "the packages$missing can be had ($(elapsed))"
}

# All that Python asks of the box, in the words that it ends with.
ask_python() {
    told=$(python3 -IB "$assets/dual-tunnel-vpn" check "$staging" --ssh "$ssh_connection") ||
        problem "$(printf %s "${told:-its checks ended unexpectedly}" | sed 's/^dual-tunnel-vpn: //')"
}

judge_strongswan() {
    version=$(strongswan_version)
    [ -z "$version" ] || at_least "$version" 5 8 ||
        problem "strongSwan $version, which this box has or would get, is too old: 5.8 or newer is needed"
}

[ -n "$missing" ] || judge_strongswan
if ! has_python; then
    ask_roughly
elif [ -n "$problems$missing" ]; then
    # Else the apply asks the same.
    ask_python
fi
if [ -n "$missing" ] && [ -n "$manager" ]; then
    ask_for_packages
    judge_strongswan
fi
refuse_if_any

if [ -n "$missing" ]; then
    has_python || {
        add python3 || {
            cat "$log"
            refuse "the package python3 cannot be installed on this box: $(last_words)"
        }
        ask_python
        refuse_if_any
    }
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
