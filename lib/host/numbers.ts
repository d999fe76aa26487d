// The numbers on a box that derive from a connection's NAME, so that two connections seldom meet and a second apply
// finds what the first made.
import { createHash } from "node:crypto";

/** The default metric of the routes to the VPC on the box. */
export const ROUTE_METRIC = 37;

// Tables and if_ids below 65536 are where administrators, firewalls and container networks put theirs.
const FIRST_NUMBER = 0x10000;
const NAMES = 0x40000;

/** The number that a tunnel's if_id and the same-numbered uplink's routing table share: 65537 to 1114110. */
export function derivedNumber(name: string, number: 1 | 2): number {
  return FIRST_NUMBER + 4 * (hashOf(name) % NAMES) + number;
}

/**
 * Bits of a packet's mark that programs on people's boxes give a meaning to, by the program; a mark of ours with such a
 * bit would be dropped, translated or routed by them. Those that compare whole marks (wg-quick, Istio, transparent
 * proxies) take other values than ours.
 */
export const MARK_BITS_OF_OTHERS: Readonly<Record<string, number>> = {
  "kube-proxy (masquerade), kubelet (drop)": 0xc000,
  "CNI portmap, netavark of Podman": 0x2000,
  Cilium: 0x0f00,
  Calico: 0xffff0000,
  Tailscale: 0xff0000,
  "Proxmox VE": 0x80000000,
};

// What they leave: one bit that small numbers chosen by hand do not have, and eight that tell ours apart.
const FIRST_MARK = 0x1000;
const MARKED_NAMES = 0x80;

/** The fwmark of an uplink's probes: 4096 to 4351, even for the first uplink and odd for the second. */
export function derivedMark(name: string, uplink: 1 | 2): number {
  return FIRST_MARK + 2 * (hashOf(name) % MARKED_NAMES) + uplink - 1;
}

/** The virtual router id (VRRP) of a connection on two boxes: 1 to 255. */
export function derivedVirtualRouterId(name: string): number {
  return 1 + (hashOf(name) % 255);
}

// Beyond the ports of IKE.
const FIRST_PORT = 4800;
const PORTS = 1000;

/**
 * UDP ports among those that programs of routers, gateways and clusters are bound to, by the program. A port that is added
 * here moves the connections that had it, and their two boxes are configured one after the other.
 */
export const PORTS_OF_OTHERS: Readonly<Record<string, readonly number[]>> = {
  "Squid (HTCP)": [4827],
  "OPC UA": [4840],
  iperf: [5001, 5201],
  "RTP, RTCP": [5004, 5005],
  SIP: [5060, 5061, 5080],
  ATMP: [5150],
  CAPWAP: [5246, 5247],
  "HA clusters (hacl)": [5300, 5301, 5302, 5303, 5304, 5305, 5306, 5307],
  CFEngine: [5308],
  "STUN, TURN over DTLS": [5349],
  "NAT-PMP, PCP": [5350, 5351],
  mDNS: [5353],
  LLMNR: [5355],
  "Corosync, a port a link": [5404, 5405, 5406, 5407, 5408, 5409, 5410, 5411, 5412],
  "syslog, where 514 is not for it": [5514, 5544],
  Matter: [5540],
  "sACN (E1.31)": [5568],
  "Zyre (ZRE)": [5670],
  "MikroTik's neighbour discovery": [5678],
  CoAP: [5683, 5684],
};

const TAKEN = new Set(Object.values(PORTS_OF_OTHERS).flat());

/** The UDP port on which the agents of a connection's two boxes talk: 4800 to 5799, and none of another program's. */
export function derivedPort(name: string): number {
  let port = FIRST_PORT + (hashOf(name) % PORTS);
  while (TAKEN.has(port)) port += 1;
  return port;
}

/** Whether two connections cannot be on one pair of boxes because a number of theirs there is one. */
export function pairNumbersClash(a: string, b: string): boolean {
  return derivedVirtualRouterId(a) === derivedVirtualRouterId(b) || derivedPort(a) === derivedPort(b);
}

/** Whether two connections cannot be on one box because a number of theirs is one. */
export function numbersClash(a: string, b: string): boolean {
  return derivedMark(a, 1) === derivedMark(b, 1) || derivedNumber(a, 1) === derivedNumber(b, 1);
}

function hashOf(name: string): number {
  return createHash("sha256").update(name).digest().readUInt32BE(0);
}
