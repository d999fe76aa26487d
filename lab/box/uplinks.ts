// Kinds of uplinks that the box can have in place of the first one's plain interface: what its owner writes for
// systemd-networkd or pppd, and the provider's end in the world machine. The second uplink stays what it was.
import type { Lab } from "../machines/lab";
import { UPLINKS } from "../network";
import { MACS } from "../world/network-env";
import { devices } from "./managers";

export type UplinkKind = "DHCP" | "VLAN" | "bond" | "PPPoE";

const [FIRST] = UPLINKS;
const ADDRESS = `${FIRST.address}/${FIRST.prefixLength}`;
const GATEWAY = `${FIRST.gateway}/${FIRST.prefixLength}`;
const METRIC = 100;

/** The file by which the lab's box is told of its first uplink. */
const NETWORK = "/etc/systemd/network/20-uplink1.network";

interface Kind {
  /** Debian's packages beside those of the lab's box. @default none */
  readonly packages?: string;
  /** The interface that has the address then. */
  readonly device: (nic: string) => string;
  /** What the box has of it, by path. */
  readonly files: (nic: string) => Readonly<Record<string, string>>;
  /** Commands on the box once it has the files. */
  readonly begin: string;
  /** Commands in the provider's namespace. */
  readonly provider: string;
}

const nic = (...network: string[]) =>
  [
    // What it keeps as a member of a bond, and a VLAN above it does not have.
    ...["[Match]", `PermanentMACAddress=${MACS.box.uplink1}`],
    ...["[Network]", "LinkLocalAddressing=no", "IPv6AcceptRA=no", ...network, ""],
  ].join("\n");

const above = (name: string) =>
  [
    ...["[Match]", `Name=${name}`, "[Network]", "LinkLocalAddressing=no", "IPv6AcceptRA=no", `Address=${ADDRESS}`],
    ...["[Route]", `Gateway=${FIRST.gateway}`, `Metric=${METRIC}`, ""],
  ].join("\n");

const netdev = (name: string, ...lines: string[]) => ["[NetDev]", `Name=${name}`, ...lines, ""].join("\n");

// It throws out the rule of the charon that the packages have started, which puts it back at its next start only.
const RESTART = "systemctl restart systemd-networkd; systemctl try-restart strongswan";

/** Commands that have the provider's DHCP server give this address, and this only. */
export const leased = (address: string) => `
systemctl stop lab-dhcp 2>/dev/null
systemd-run --quiet --collect --unit=lab-dhcp --property=NetworkNamespacePath=/run/netns/nat1 \
  dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --port=0 --interface=uplink1 --bind-interfaces \
  --leasefile-ro --dhcp-authoritative --no-ping --dhcp-option=option:router,${FIRST.gateway} \
  --dhcp-range=${address},${address},2m`;

const VLAN = 100;

/** The provider's options for pppd. */
const PROVIDER_PPP = "noauth\\nnodetach\\nlcp-echo-interval 2\\nlcp-echo-failure 3\\nmtu 1492\\nmru 1492\\n";

/** The unit that keeps the PPPoE session up on the box. */
export const PPP_UNIT = "isp.service";

export const UPLINK_KINDS: Readonly<Record<UplinkKind, Kind>> = {
  DHCP: {
    device: (name) => name,
    files: () => ({
      [NETWORK]: nic("DHCP=ipv4", "", "[DHCPv4]", `RouteMetric=${METRIC}`, "UseDNS=no"),
    }),
    begin: RESTART,
    provider: leased(FIRST.address),
  },
  VLAN: {
    device: () => `wan.${VLAN}`,
    files: () => ({
      [NETWORK]: nic(`VLAN=wan.${VLAN}`),
      "/etc/systemd/network/15-wan.netdev": netdev(`wan.${VLAN}`, "Kind=vlan", "[VLAN]", `Id=${VLAN}`),
      "/etc/systemd/network/15-wan.network": above(`wan.${VLAN}`),
    }),
    begin: RESTART,
    provider: `
ip address del ${GATEWAY} dev uplink1
ip link add link uplink1 name vlan${VLAN} type vlan id ${VLAN}
ip address add ${GATEWAY} dev vlan${VLAN}
ip link set vlan${VLAN} up
nft add rule ip nat forward iifname vlan${VLAN} accept`,
  },
  // The other member carries nothing: what the bond does when its only good one fails.
  bond: {
    device: () => "bond0",
    files: () => ({
      [NETWORK]: nic("Bond=bond0", "PrimarySlave=yes"),
      "/etc/systemd/network/15-bond.netdev": netdev(
        "bond0",
        ...["Kind=bond", "[Bond]", "Mode=active-backup", "MIIMonitorSec=0.1"],
      ),
      "/etc/systemd/network/15-bond.network": above("bond0"),
      "/etc/systemd/network/15-spare.netdev": netdev("spare", "Kind=dummy"),
      "/etc/systemd/network/15-spare.network": "[Match]\nName=spare\n[Network]\nBond=bond0\n",
    }),
    begin: RESTART,
    provider: "true",
  },
  PPPoE: {
    packages: "ppp",
    device: () => "ppp0",
    files: (name) => ({
      [NETWORK]: nic(),
      "/etc/ppp/peers/isp":
        `plugin pppoe.so\nnic-${name}\nuser box\nnoauth\nnoipdefault\ndefaultroute\ndefaultroute-metric ${METRIC}\n` +
        "persist\nmaxfail 0\nholdoff 1\nmtu 1492\nmru 1492\nlcp-echo-interval 2\nlcp-echo-failure 3\nunit 0\n",
      [`/etc/systemd/system/${PPP_UNIT}`]:
        "[Unit]\nDescription=Internet provider, by PPPoE\nAfter=network.target\n" +
        "[Service]\nExecStart=/usr/sbin/pppd call isp nodetach\nRestart=always\nRestartSec=1\n" +
        "[Install]\nWantedBy=multi-user.target\n",
    }),
    begin: `${RESTART}; systemctl daemon-reload; systemctl -q enable --now ${PPP_UNIT}`,
    provider: `
ip address del ${GATEWAY} dev uplink1
nft add rule ip nat forward iifname "ppp*" accept
printf '${PROVIDER_PPP}' >/run/lab-pppoe
systemd-run --quiet --collect --unit=lab-pppoe --property=NetworkNamespacePath=/run/netns/nat1 \
  pppoe-server -F -I uplink1 -L ${FIRST.gateway} -R ${FIRST.address} -N 1 -O /run/lab-pppoe`,
  },
};

/** Gives the lab's box this kind of uplink, from one that has booted by systemd-networkd, and waits until it is there. */
export async function replaceUplink(lab: Lab, id: UplinkKind): Promise<string> {
  const kind = UPLINK_KINDS[id];
  const { uplink1 } = await devices(lab);
  if (kind.packages) {
    const get = "DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install";
    await lab.box.succeed(`apt-get -qq update; ${get} ${kind.packages}`, { timeoutS: 400 });
  }
  await lab.in("nat1", kind.provider);
  for (const [path, content] of Object.entries(kind.files(uplink1))) await lab.box.write(content, path);
  await lab.box.succeed(kind.begin);
  const device = kind.device(uplink1);
  await lab.box.waitUntilSucceeds(`ip -o -4 address show dev ${device} to ${FIRST.address} | grep -q .`, {
    timeoutS: 60,
  });
  await lab.box.waitUntilSucceeds(`ping -q -c 1 -W 1 -I ${device} ${FIRST.gateway}`, { timeoutS: 60 });
  return device;
}
