// What a box looks like from outside our product: files, units, interfaces, rules, routes and sysctls as text,
// so that two moments can be compared line by line. Needs nothing on the box but a distribution's essentials.
import type { Machine } from "../machines/machine";
import { quote } from "../machines/shell";

/** What belongs to the distribution's own bookkeeping; everything else on the root file system is listed. */
const BOOKKEEPING = [
  "/dev",
  "/lost+found",
  "/proc",
  "/run",
  "/sys",
  "/tmp",
  "/var/backups",
  "/var/cache",
  "/var/lib/apt",
  "/var/lib/dnf",
  "/var/lib/dpkg",
  "/var/lib/rpm",
  "/var/lib/systemd", // timers' stamps, the random seed, deb-systemd-helper's notes of packages that stay installed
  "/var/lib/ucf",
  "/var/log",
  "/var/tmp",
  "/etc/alternatives",
  "/etc/ld.so.cache",
  "/etc/mailcap",
];

/** What packages' scripts and sudo leave without the package manager's knowledge; the packages stay installed, and so does this. */
const LEFT_BY_PACKAGES = [
  "/etc/apparmor.d/local",
  "/etc/inputrc",
  "/etc/python3",
  "/home/admin/.sudo_as_admin_successful",
  "/usr/local/lib/python3*",
  "/var/lib/python",
];

/**
 * A POSIX shell script that prints the listing. Files that a package owns and byte code beside them are left out:
 * packages that we added stay installed. What is enabled shows as links, in /etc and below /run: systemd itself is
 * not asked for it, since a busy emulated box may not answer `systemctl list-unit-files` within D-Bus's 25 s. What D-Bus
 * starts for a while when somebody asks, as NetworkManager does for the host's name, is nobody's. The rule of the packages'
 * own charon is left out: networkd's start throws it out and charon's puts it back, so that it is there or not.
 */
const SCRIPT = `
set -eu
export LC_ALL=C
kept=$(mktemp)
owned=$(mktemp -t owned.XXXXXX)
trap 'rm -f "$kept" "$owned"' EXIT
cat /var/lib/dpkg/info/*.list >"$owned"
if command -v rpm >/dev/null; then rpm -qal >>"$owned"; fi
find / -xdev \\( ${[...BOOKKEEPING, ...LEFT_BY_PACKAGES].map((path) => `-path '${path}'`).join(" -o ")} -o -name __pycache__ \\) -prune -o -printf '%p\\t%y %p %l\\n' |
  awk -F '\\t' 'FILENAME ~ /owned/ { sub("^/(bin|sbin|lib|lib64)/", "/usr&"); owned[$1]; next } !($1 in owned) { print $2 }' "$owned" - |
  sort >"$kept"
echo "# files"
cat "$kept"
echo "# contents in /etc"
awk '$1 == "f" && $2 ~ "^/etc/" { print $2 }' "$kept" | xargs -r -d '\\n' sha256sum
echo "# units until the next boot"
find /run/systemd/system -mindepth 1 -printf '%y %P %l\\n' | sort
echo "# active services"
units=$(systemctl list-units --no-legend --no-pager --plain --type=service --state=active)
printf '%s\\n' "$units" | awk '{print $1}' | grep -v '^user\\|^lab-\\|^systemd-hostnamed' | sort
echo "# interfaces"
ip -o link | sed -E 's/^[0-9]+: //; s/ state .*//'
ip -o -4 addr | sed -E 's/^[0-9]+: //; s/valid_lft.*//'
echo "# rules"
ip rule | grep -v '^220:.*lookup 220'
if command -v nft >/dev/null; then nft list ruleset; fi
echo "# routes"
ip route show table all | grep -v '^fe80\\|^ff00\\|^multicast\\|^anycast' | sed -E 's/ (expires|pref) .*//' | sort
echo "# sysctls"
sysctl -a 2>/dev/null | grep -E '^net\\.ipv4\\.(ip_forward|conf\\.)|^net\\.ipv6\\.conf\\.[^.]*\\.(forwarding|disable_ipv6) ' | sort
echo "# configured sysctls and modules"
cat /etc/sysctl.d/*.conf /etc/modules-load.d/*.conf 2>/dev/null || true
`;

/**
 * A box as it is: files, units, interfaces, rules, routes, kernel parameters; once what a deploy's last script leaves to
 * be removed in the background is gone: the empty file that Terraform puts in its place.
 */
export async function listingOf(box: Machine): Promise<string> {
  await box.waitUntilSucceeds('test -z "$(find /home /root -name "dual-tunnel-vpn-*.sh")"', { timeoutS: 30 });
  return box.succeed(`sh -c ${quote(SCRIPT)}`, { timeoutS: 180 });
}

/** Lines that only one of two listings has, `-` for the first and `+` for the second. */
export function differences(before: string, after: string): string[] {
  const count = (text: string) => {
    const counts = new Map<string, number>();
    for (const line of text.split("\n")) counts.set(line, (counts.get(line) ?? 0) + 1);
    return counts;
  };
  const [a, b] = [count(before), count(after)];
  const extra = (from: Map<string, number>, other: Map<string, number>, sign: string) =>
    [...from].filter(([line, n]) => n > (other.get(line) ?? 0)).map(([line]) => `${sign} ${line}`);
  return [...extra(a, b, "-"), ...extra(b, a, "+")];
}
