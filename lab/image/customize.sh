#!/bin/sh
# Runs as mmdebstrap's customize hook: turns the fresh Debian tree $1 into the disk images of both lab machines.
# $2 is where box.ext4, world.ext4, vmlinuz and initrd go. The box is made first; the same tree then becomes the world,
# unless WORLD_PACKAGES is empty.
set -eu

root=$1
out=$2

in_root() {
  DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

# What a machine never does in the lab, and would spend seconds of emulated boot time on.
trim() {
  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    e2scrub_reap.service systemd-pstore.service systemd-update-done.service ldconfig.service \
    systemd-journal-catalog-update.service systemd-hwdb-update.service systemd-machine-id-commit.service \
    systemd-networkd-wait-online.service getty@tty1.service serial-getty@ttyS0.service getty-static.service \
    dev-mqueue.mount dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-fs-fuse-connections.mount sys-kernel-config.mount systemd-firstboot.service systemd-logind.service \
    systemd-binfmt.service modprobe@drm.service modprobe@fuse.service modprobe@dm_mod.service \
    modprobe@loop.service modprobe@configfs.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  # A hundred consoles, PCI functions and the like need no second look: udev's first pass is for NICs and disks.
  mkdir -p "$root/etc/systemd/system/systemd-udev-trigger.service.d"
  cat >"$root/etc/systemd/system/systemd-udev-trigger.service.d/lab.conf" <<'UNIT'
[Service]
ExecStart=
ExecStart=udevadm trigger --action=add --subsystem-match=net --subsystem-match=block --subsystem-match=virtio --subsystem-match=pci
UNIT
}

# Copies the tree into an ext4 image. A bind of the root alone leaves out what is mounted inside it.
image() {
  rm -f "$root/usr/sbin/policy-rc.d"
  if [ -e "$root/sbin/start-stop-daemon.REAL" ]; then
    mv "$root/sbin/start-stop-daemon" "$root/sbin/start-stop-daemon.LAB"
    cp -p "$root/sbin/start-stop-daemon.REAL" "$root/sbin/start-stop-daemon"
    mv "$root/sbin/start-stop-daemon.REAL" "$view.REAL"
    mv "$root/sbin/start-stop-daemon.LAB" "$view.LAB"
  fi
  mkdir -p "$view"
  mount --bind "$root" "$view"
  mke2fs -q -t ext4 -m 0 -L root -d "$view" "$out/$1.ext4" "$2"
  umount "$view"
  rmdir "$view"
  if [ -e "$view.REAL" ]; then
    mv "$view.REAL" "$root/sbin/start-stop-daemon.REAL"
    mv "$view.LAB" "$root/sbin/start-stop-daemon"
  fi
}

view=$(mktemp -d)
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT

# The initial RAM disk: a static busybox that loads the disk's drivers and hands over. Debian's own takes longer to boot.
in_root sh -c 'cd /tmp && apt-get -qq download busybox-static'
dpkg-deb -x "$root"/tmp/busybox-static_*.deb "$tools/busybox"
rm -f "$root"/tmp/busybox-static_*.deb
kernel=$(basename "$root"/lib/modules/*)
initrd=$root/tmp/initrd
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/root" "$initrd/modules"
find "$tools/busybox" -path '*/bin/busybox' -exec cp {} "$initrd/bin/busybox" \;
in_root modprobe --all --show-depends --set-version "$kernel" virtio_pci virtio_blk crc32c_generic ext4 |
  awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$initrd/modules/order"
while read -r module; do cp "$root/$module" "$initrd/modules/"; done <"$initrd/modules/order"
{
  echo '#!/bin/busybox sh'
  echo 'export PATH=/bin'
  echo 'busybox mount -t devtmpfs dev /dev'
  while read -r module; do echo "busybox insmod /modules/$(basename "$module")"; done <"$initrd/modules/order"
  echo 'until [ -b /dev/vda ]; do busybox usleep 10000; done'
  echo 'busybox mount -t ext4 -o rw,noatime /dev/vda /root'
  echo 'busybox mount --move /dev /root/dev'
  echo 'exec busybox switch_root /root /sbin/init'
} >"$initrd/init"
chmod 755 "$initrd/init"
in_root sh -c 'cd /tmp/initrd && find . | cpio --quiet -o -H newc' | gzip -1 >"$out/initrd"
rm -rf "$initrd"
cp "$root/boot/vmlinuz-$kernel" "$out/vmlinuz"

# Accounts. Keys, host keys, host name and network arrive with the run, on the second disk.
in_root useradd --create-home --shell /bin/bash admin
in_root useradd --create-home --shell /bin/bash nosudo
echo 'admin ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/admin"
chmod 440 "$root/etc/sudoers.d/admin"
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
cat >"$root/etc/systemd/system/lab-run.service" <<'UNIT'
[Unit]
Description=Unpack what this lab run brings: keys, host name, network
DefaultDependencies=no
ConditionPathExists=!/etc/lab-run
After=systemd-remount-fs.service
Before=network-pre.target systemd-networkd.service ssh.service sysinit.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/tar -xf /dev/vdb -C / --no-same-owner --same-permissions
ExecStart=/bin/sh -ec 'for user in admin nosudo; do chown -R $$user: /home/$$user; done; cat /etc/hostname >/proc/sys/kernel/hostname; : >/etc/lab-run; sync'

[Install]
WantedBy=sysinit.target
UNIT
# The kernel patches its own code when the first socket asks for receive timestamps and when the last one goes. QEMU 7.2
# may go on running the breakpoint that stands there meanwhile, and the machine locks up for good; a ping holds them on.
cat >"$root/etc/systemd/system/lab-timestamps.service" <<'UNIT'
[Unit]
Description=Hold receive timestamps on

[Service]
ExecStart=/bin/ping -q -i 86400 127.0.0.1
StandardOutput=null
Restart=always

[Install]
WantedBy=multi-user.target
UNIT
in_root systemctl -q enable lab-run.service lab-timestamps.service systemd-networkd.service ssh.service
trim

# The box's only package source: a repository inside it with all that an installer may want, nothing of it installed.
rm -f "$root"/var/cache/apt/archives/*.deb
# shellcheck disable=SC2086 # a list of packages
in_root apt-get -qq --yes --no-install-recommends --download-only install $BOX_REPOSITORY
for package in $FETCHED_ALONE; do
  in_root apt-get -qq --yes --no-install-recommends --download-only install "$package"
done
repository=$root/var/local/apt-repo
mkdir -p "$repository"
mv "$root"/var/cache/apt/archives/*.deb "$repository/"
mkdir "$tools/world"
if [ -n "$WORLD_ONLY" ]; then
  # shellcheck disable=SC2086 # a list of packages
  in_root apt-get -qq --yes --no-install-recommends --download-only install $WORLD_ONLY
  mv "$root"/var/cache/apt/archives/*.deb "$tools/world/"
fi
(
  cd "$repository"
  dpkg-scanpackages --multiversion . >Packages 2>/dev/null
  printf 'Date: %s\nSHA256:\n %s %s Packages\n' "$(LC_ALL=C date -uR)" \
    "$(sha256sum Packages | cut -d ' ' -f 1)" "$(stat -c %s Packages)" >Release
)
mv "$root/etc/apt/sources.list" "$tools/sources.list"
mkdir "$tools/sources.list.d" "$tools/lists"
find "$root/etc/apt/sources.list.d" -type f -exec mv {} "$tools/sources.list.d/" \;
echo 'deb [trusted=yes] file:/var/local/apt-repo ./' >"$root/etc/apt/sources.list"
mv "$root"/var/lib/apt/lists/* "$tools/lists/"
rm -f "$root"/var/cache/apt/*.bin
mv "$root/etc/resolv.conf" "$tools/resolv.conf"
image box 3G
[ -n "$WORLD_PACKAGES" ] || exit 0

# The world: the same tree with what its namespaces need, out of the repository just made and of what is its alone.
mv "$tools"/world/*.deb "$root/var/cache/apt/archives/"
in_root apt-get -qq update
# shellcheck disable=SC2086 # a list of packages
in_root sh -c 'apt-get -qq --yes --no-install-recommends install "$@" /var/cache/apt/archives/*.deb' sh $WORLD_PACKAGES
rm -f "$root"/var/cache/apt/archives/*.deb
rm -rf "$repository"
: >"$root/etc/apt/sources.list"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
cat >"$root/etc/systemd/system/lab-world.service" <<'UNIT'
[Unit]
Description=The network around the box
After=lab-run.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/lab/world.sh

[Install]
WantedBy=multi-user.target
UNIT
in_root systemctl -q enable lab-world.service
for unit in strongswan.service nftables.service iperf3.service frr.service logrotate.timer; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
image world 3G
