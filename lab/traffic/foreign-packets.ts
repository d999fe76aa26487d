// The packets that a box beside the VPN must not let through, and those that it lets through only where others want it.
import type { Lab } from "../machines/lab";
import { DATA_CENTER_CIDR, ECS, INTERNET, LAN, UPLINKS } from "../network";
import { MACS } from "../world/network-env";
import { Strays, type Stray } from "./strays";

/** An address that is in none of the site's blocks, on the instance in the VPC. */
export const STRANGER = "203.0.113.9";
/** An address of nobody here. */
const OFF_PATH = "203.0.113.77";
/** A host on the internet. */
const ELSEWHERE = INTERNET.nat1.router;
/** A host on the network of the first uplink. */
const NEIGHBOUR = UPLINKS[0].gateway;

/** What the tunnels never carry, whatever else the box forwards. */
const NEVER: readonly Stray[] = [
  { what: "uplink 1 to the VPC as the LAN's server", from: "nat1", source: LAN.server, destination: ECS.address },
  { what: "uplink 1 to the VPC as a stranger", from: "nat1", source: OFF_PATH, destination: ECS.address },
  { what: "uplink 2 to the VPC as the LAN's server", from: "nat2", source: LAN.server, destination: ECS.address },
  { what: "the LAN to the VPC as a stranger", from: "dc", source: OFF_PATH, destination: ECS.address },
  { what: "the VPC to the LAN as a stranger", from: "ecs", source: STRANGER, destination: LAN.server },
  { what: "the VPC to elsewhere", from: "ecs", source: ECS.address, destination: ELSEWHERE },
  { what: "the VPC to elsewhere as a stranger", from: "ecs", source: STRANGER, destination: ELSEWHERE },
];

/** What passes where others have the box forward, and only there. */
export const AS_OTHERS_WANT: readonly Stray[] = [
  { what: "uplink 1 to the LAN", from: "nat1", source: NEIGHBOUR, destination: LAN.server },
  { what: "uplink 1 to the LAN as the VPC's instance", from: "nat1", source: ECS.address, destination: LAN.server },
  { what: "uplink 1 to the LAN as a stranger", from: "nat1", source: OFF_PATH, destination: LAN.server },
  { what: "uplink 1 to uplink 2", from: "nat1", source: NEIGHBOUR, destination: UPLINKS[1].gateway },
  { what: "the LAN to uplink 1", from: "dc", source: LAN.server, destination: NEIGHBOUR },
  { what: "the LAN to elsewhere", from: "dc", source: LAN.server, destination: ELSEWHERE },
];

/** Sends all of them from now on, from both uplinks' networks, the LAN and, once the cloud end has its connection, the VPC. */
export async function startStrays(lab: Lab): Promise<Strays> {
  await lab.in("ecs", `ip address add ${STRANGER}/32 dev lo`);
  // The gateway's table for the connection leads into the tunnel that carries.
  const table = `$(ip rule | sed -n 's,.* to ${DATA_CENTER_CIDR} lookup ,,p')`;
  await lab.in("cloud", `ip rule add pref 800 iif vpc to ${ELSEWHERE} lookup ${table}`);
  const router = /ether (\S+)/.exec(await lab.in("cloud", "ip -o link show vpc"))?.[1] ?? "";
  const ways = {
    nat1: { interface: "uplink1", mac: MACS.box.uplink1 },
    nat2: { interface: "uplink2", mac: MACS.box.uplink2 },
    dc: { interface: "lan", mac: MACS.box.lan },
    ecs: { interface: "eth0", mac: router },
  };
  return Strays.start(lab, ways, [...NEVER, ...AS_OTHERS_WANT]);
}
