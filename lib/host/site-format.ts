// What the box's parser takes in site.json: the version, the bounds of each number and the form of each name.
// assets/dual_tunnel_vpn/site.py has the same; test/lib/site-format.test.ts compares the two and tries every bound.
import { NAME_FORM } from "../names";
import { LARGEST_MTU, SMALLEST_MTU } from "../ipsec/mtu";

/** The version of the format. */
export const SITE_VERSION = 1;

/** Bytes of the IPv4 and TCP headers without options: what a segment's packet is larger than the segment. */
export const TCP_HEADERS = 40;

/** Smallest and largest value of each number, by its path in site.json. */
export const SITE_BOUNDS = {
  bandwidthMbps: [1, 1_000_000],
  // The guards have 2^32 - 1, after all others.
  routeMetric: [1, 2 ** 32 - 2],
  "uplinks.number": [1, 2],
  "uplinks.prefixLength": [1, 32],
  "uplinks.table": [1, 2 ** 31 - 1],
  "uplinks.mark": [1, 2 ** 32 - 1],
  "tunnels.number": [1, 2],
  "tunnels.uplink": [1, 2],
  "tunnels.ifId": [1, 2 ** 32 - 1],
  "tunnels.mtu": [SMALLEST_MTU, LARGEST_MTU],
  "tunnels.mss": [SMALLEST_MTU - TCP_HEADERS, LARGEST_MTU - TCP_HEADERS],
  "agent.probeIntervalMs": [20, 60000],
  "agent.probeMisses": [1, 100],
  "agent.holdSeconds": [0, 3600],
  "bgp.cloudAsn": [1, 2 ** 32 - 1],
  "bgp.asn": [1, 2 ** 32 - 1],
  // RFC 4271: 16 bits, and at least 3 where it is not 0, which would never end a session.
  "bgp.holdSeconds": [3, 2 ** 16 - 1],
  "tunnels.bgp.prefixLength": [30, 30],
  "pair.number": [1, 2],
  // Room for both boxes and the virtual gateway, and not more than a LAN is.
  "pair.lan.prefixLength": [8, 29],
  "pair.virtualRouterId": [1, 255],
  "pair.port": [4800, 5799],
} as const satisfies Record<string, readonly [least: number, most: number]>;

/** What a text has to match whole, by its path in site.json. */
export const SITE_PATTERNS = {
  name: NAME_FORM,
  "uplinks.device": "[A-Za-z0-9_.-]{1,15}",
} as const;
