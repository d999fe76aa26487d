#!/bin/sh
# Runs as mmdebstrap's customize hook after customize.sh, with $1 and $2 as that: turns the box into one that an installer
# finds to be as EL9. It has dnf, rpm and repositories of RPMs in place of apt and dpkg, firewalld is on, and SELinux is
# enforcing. Its kernel, its systemd, SELinux's policy and all programs stay Debian's.
set -eu

root=$1
out=$2
here=$(dirname "$(readlink -f "$0")")

in_root() {
  DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

in_root apt-get -qq update
in_root apt-get -qq --yes --no-install-recommends install dnf rpm createrepo-c selinux-policy-default
mkdir -p "$root/etc/yum.repos.d" "$root/etc/rpm"
# Debian's is below the home directory of whoever asks.
echo '%_dbpath /var/lib/rpm' >"$root/etc/rpm/macros"
cp "$here/rpms.py" "$root/tmp/rpms.py"
in_root python3 /tmp/rpms.py /var/local/apt-repo /var/local/rpms
in_root apt-get -qq --yes purge createrepo-c
rm "$root/tmp/rpms.py"
cat >"$root/etc/yum.repos.d/base.repo" <<'REPO'
[base]
name=What EL9 has in BaseOS, AppStream and Extras
baseurl=file:///var/local/rpms/base
gpgcheck=0
REPO
in_root dnf -q -y --releasever=9 install el9-like-release nftables firewalld
in_root systemctl -q enable firewalld.service
# It would come in the middle of anything.
ln -sf /dev/null "$root/etc/systemd/system/dnf-makecache.timer"
in_root python3 -m compileall -q /usr/lib/python3/dist-packages

# What was Debian's own package is known from dpkg's lists (lab/box/listing.ts), which stay.
rm -rf "$root/var/local/apt-repo" "$root"/var/lib/apt "$root"/var/cache/apt "$root"/etc/apt
rm -f "$root"/usr/bin/apt "$root"/usr/bin/apt-* "$root"/usr/bin/dpkg "$root"/usr/bin/dpkg-*
rm -f "$root"/sbin/start-stop-daemon*

# SELinux as on EL9: enforcing, by Debian's policy, to which EL9's places of strongSwan's files are named as EL9's names
# them. What a run brings gets its label as it arrives.
sed -i 's/^SELINUX=.*/SELINUX=enforcing/' "$root/etc/selinux/config"
# firewalld may answer whoever it is asked by, which Debian's policy does not let it: people, and what units run from
# /usr/local/sbin, which is unconfined_service_t on EL9.
cat >"$root/tmp/el9_like.cil" <<'CIL'
(allow firewalld_t unconfined_t (dbus (send_msg)))
(allow firewalld_t initrc_t (dbus (send_msg)))
CIL
in_root semodule -n -i /tmp/el9_like.cil
rm "$root/tmp/el9_like.cil"
echo '/etc/strongswan(/.*)? system_u:object_r:ipsec_conf_file_t:s0' \
  >"$root/etc/selinux/default/contexts/files/file_contexts.local"
mkdir "$root/etc/systemd/system/lab-run.service.d"
cat >"$root/etc/systemd/system/lab-run.service.d/selinux.conf" <<'UNIT'
[Service]
ExecStart=/sbin/restorecon -R /etc /home /root
UNIT

view=$(mktemp -d)
mount --bind "$root" "$view"
mke2fs -q -t ext4 -m 0 -L root -d "$view" "$out/box.ext4" 3G
# Labels go into the image, not the tree: a kernel without SELinux keeps them for the host's root only.
(cd "$view" && find . -printf '/%P\0') | chroot "$root" xargs -0 matchpathcon |
  awk -F '\t' '$2 != "<<none>>" { printf "ea_set \"%s\" security.selinux %s\n", $1, $2 }' >"$view.labels"
debugfs -w -f "$view.labels" "$out/box.ext4" 2>"$view.errors" >/dev/null
if grep -v '^debugfs [0-9]' "$view.errors"; then exit 1; fi
rm "$view.labels" "$view.errors"
umount "$view"
rmdir "$view"
