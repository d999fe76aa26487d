// The network managers that the box's interfaces can be configured by, in place of the systemd-networkd that the lab's
// box comes with: each with the lab's own addresses.
import { contentOf, Kept, keyOf } from "../cache";
import type { Lab } from "../machines/lab";
import { LAN, UPLINKS } from "../network";
import { MACS } from "../world/network-env";

export type ManagerId = "systemd-networkd" | "ifupdown" | "NetworkManager" | "netplan";

/** An interface of the box as its owner configures it. */
export interface Interface {
  /** Of the lab, and of the connection in NetworkManager's words. */
  readonly id: "management" | "uplink1" | "uplink2" | "lan";
  readonly mac: string;
  /** With its prefix length. */
  readonly address: string;
  readonly gateway?: string;
  readonly metric?: number;
  /** Networks beyond a neighbour. @default none */
  readonly routes?: readonly { readonly to: string; readonly via: string }[];
}

/** The lab's own. */
export const INTERFACES: readonly Interface[] = [
  // What QEMU's own network gives to everybody.
  { id: "management", mac: MACS.box.management, address: "10.0.2.15/24" },
  ...UPLINKS.map(({ number, address, prefixLength, gateway }): Interface => ({
    id: `uplink${number}`,
    mac: MACS.box[`uplink${number}`],
    address: `${address}/${prefixLength}`,
    gateway,
    metric: number * 100,
  })),
  { id: "lan", mac: MACS.box.lan, address: `${LAN.box}/${LAN.network.split("/")[1]}` },
];

/** Names by the lab's own, as the kernel has them on this box. */
export type Devices = Readonly<Record<Interface["id"], string>>;

interface File {
  readonly path: string;
  readonly content: string;
  readonly mode?: number;
}

export interface Manager {
  /** Debian's packages, with a space between. */
  readonly packages: string;
  /** Its unit, which configures the box at boot. */
  readonly unit: string;
  /** What it configures these interfaces by. */
  readonly files: (interfaces: readonly Interface[], devices: Devices) => File[];
  /** Has it take over what its files say of an interface, as its owner would. */
  readonly reconfigure: (device: string, id: Interface["id"]) => string;
}

const NETWORKD = "systemd-networkd.service";

const ifupdown: Manager = {
  packages: "ifupdown",
  unit: "networking.service",
  files: (interfaces, devices) => {
    const stanza = ({ id, address, gateway, metric, routes = [] }: Interface) => {
      const lines = [
        `address ${address}`,
        ...(gateway === undefined ? [] : [`gateway ${gateway}`, `metric ${metric}`]),
        ...routes.map(({ to, via }) => `up ip route add ${to} via ${via}`),
      ];
      return [`auto ${devices[id]}`, `iface ${devices[id]} inet static`, ...lines.map((line) => `    ${line}`)];
    };
    const text = ["auto lo", "iface lo inet loopback", ...interfaces.flatMap(stanza)].join("\n");
    return [{ path: "/etc/network/interfaces", content: `${text}\n` }];
  },
  reconfigure: (device) => `ifdown --force ${device} && ifup ${device}`,
};

const networkManager: Manager = {
  packages: "network-manager",
  unit: "NetworkManager.service",
  files: (interfaces) => [
    // Else it makes a connection by DHCP for whatever has none, and /etc/resolv.conf whenever something changes.
    { path: "/etc/NetworkManager/conf.d/lab.conf", content: "[main]\nno-auto-default=*\ndns=none\n" },
    ...interfaces.map(({ id, mac, address, gateway, metric, routes = [] }): File => {
      const ways = routes.map(({ to, via }, i) => `route${i + 1}=${to},${via}`);
      const gate = gateway === undefined ? ["never-default=true"] : [`gateway=${gateway}`, `route-metric=${metric}`];
      const lines = [
        ...["[connection]", `id=${id}`, "type=ethernet", "[ethernet]", `mac-address=${mac}`],
        ...["[ipv4]", "method=manual", `address1=${address}`, ...gate, ...ways, "[ipv6]", "method=disabled"],
      ];
      const path = `/etc/NetworkManager/system-connections/${id}.nmconnection`;
      return { path, content: `${lines.join("\n")}\n`, mode: 0o600 };
    }),
  ],
  reconfigure: (_device, id) => `nmcli connection reload && nmcli --wait 30 connection up ${id}`,
};

const networkd: Manager = {
  packages: "",
  unit: NETWORKD,
  files: (interfaces) =>
    interfaces.map(({ id, mac, address, gateway, metric, routes = [] }) => {
      const lines = [
        ...["[Match]", `MACAddress=${mac}`, "[Network]", "LinkLocalAddressing=no", "IPv6AcceptRA=no"],
        `Address=${address}`,
        ...(gateway === undefined ? [] : ["[Route]", `Gateway=${gateway}`, `Metric=${metric}`]),
        ...routes.flatMap(({ to, via }) => ["[Route]", `Destination=${to}`, `Gateway=${via}`]),
      ];
      return { path: `/etc/systemd/network/50-${id}.network`, content: `${lines.join("\n")}\n` };
    }),
  reconfigure: () => "networkctl reload",
};

const netplan: Manager = {
  packages: "netplan.io",
  unit: NETWORKD,
  files: (interfaces) => {
    const ethernet = ({ id, mac, address, gateway, metric, routes = [] }: Interface) => {
      const gate = gateway === undefined ? [] : [{ to: "default", via: gateway, metric }];
      return [
        id,
        {
          match: { macaddress: mac },
          "accept-ra": false,
          "link-local": [],
          addresses: [address],
          routes: [...gate, ...routes],
        },
      ];
    };
    // JSON is YAML too.
    const content = JSON.stringify({
      network: { version: 2, renderer: "networkd", ethernets: Object.fromEntries(interfaces.map(ethernet)) as unknown },
    });
    return [{ path: "/etc/netplan/60-lab.yaml", content, mode: 0o600 }];
  },
  reconfigure: () => "netplan apply",
};

export const MANAGERS: Readonly<Record<ManagerId, Manager>> = {
  ifupdown,
  NetworkManager: networkManager,
  "systemd-networkd": networkd,
  netplan,
};

/** The names of the box's interfaces. */
export async function devices(lab: Lab): Promise<Devices> {
  const text = await lab.box.succeed("cd /sys/class/net; for each in e*; do echo $(cat $each/address) $each; done");
  const byMac = new Map(text.split("\n").map((line) => line.split(" ") as [string, string]));
  return Object.fromEntries(INTERFACES.map(({ id, mac }) => [id, byMac.get(mac)])) as Devices;
}

/** Writes what a manager is to know; it is not told. */
export async function configure(lab: Lab, manager: Manager, interfaces = INTERFACES): Promise<void> {
  for (const { path, content, mode } of manager.files(interfaces, await devices(lab))) {
    await lab.box.succeed(`mkdir -p $(dirname ${path})`);
    await lab.box.write(content, path, mode);
  }
}

/**
 * Makes the lab's box one that this manager configures, and that has booted so: brought back where that is kept. What
 * ran on the lab is gone.
 */
export async function managedBy(lab: Lab, id: ManagerId): Promise<void> {
  const manager = MANAGERS[id];
  const kept = new Kept("managed", keyOf(await lab.bootKey(), id, contentOf(__filename)));
  if (!kept.exists) {
    await configure(lab, manager);
    // Its package's own files of the same names stay as they are here.
    const get =
      "DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends -o Dpkg::Options::=--force-confold";
    if (manager.packages)
      await lab.box.succeed(`apt-get -qq update; ${get} install ${manager.packages}`, { timeoutS: 400 });
    await lab.box.succeed(
      "find /etc/systemd/network -name '*.network' ! -name '50-*' -delete; " +
        (manager.unit === NETWORKD ? "" : "systemctl -q disable systemd-networkd.service systemd-networkd.socket; ") +
        `systemctl -q enable ${manager.unit}`,
    );
    await lab.box.reboot();
    for (const { gateway } of UPLINKS)
      await lab.box.waitUntilSucceeds(`ping -q -c 1 -W 1 ${gateway}`, { timeoutS: 120 });
    await lab.box.succeed(`systemctl is-active ${manager.unit}`);
    if (manager.unit !== NETWORKD) await lab.box.fail(`systemctl is-active ${NETWORKD}`);
    await kept.put((directory) => lab.save(directory));
  }
  await lab.bringBack(kept.path);
  await lab.box.succeed(`date -u -s @${Math.round(Date.now() / 1000)}`);
}
