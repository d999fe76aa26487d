// site.json: what the programs on the box need to know about the connection. No secret is in it.
// docs/architecture.md shows it; assets/dual_tunnel_vpn/site.py reads it.
import type { ConnectionBgp } from "../ipsec/bgp";
import { Tunnel } from "../ipsec/tunnel";
import { jsonAround } from "../expressions";
import { AgentOptions } from "./agent-options";
import { tunnelName } from "../names";
import { derivedMark, derivedNumber, derivedPort, derivedVirtualRouterId } from "./numbers";
import { SITE_VERSION, TCP_HEADERS } from "./site-format";

/** An uplink as the box sees it. */
export interface SiteUplink {
  readonly number: 1 | 2;
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly device?: string;
}

/** What a box of a pair knows of the two. */
export interface SitePair {
  readonly number: 1 | 2;
  readonly lan: { readonly address: string; readonly prefixLength: number; readonly device?: string };
  readonly otherLanAddress: string;
  readonly virtualGateway: string;
}

/** What site.json is made from. */
export interface Site {
  readonly name: string;
  readonly vpcCidrs: readonly string[];
  readonly dataCenterCidrs: readonly string[];
  /** Of the VPN gateway, Mbit/s, where it is known. */
  readonly bandwidthMbps?: number;
  readonly routeMetric: number;
  /** Absent where the routing is another. */
  readonly bgp?: ConnectionBgp;
  readonly uplinks: readonly SiteUplink[];
  /** Both, or of a box of a pair its own. */
  readonly tunnels: readonly Tunnel[];
  /** Absent where the connection has one box. */
  readonly pair?: SitePair;
  readonly agent: AgentOptions;
}

/** The uplink of a tunnel: its own, or the one for both. */
export function uplinkOf<U>(tunnel: Tunnel, uplinks: readonly U[]): U | undefined {
  return uplinks[Math.min(tunnel.number, uplinks.length) - 1];
}

/** Renders site.json. Terraform's tokens and expressions pass through: none of what may hold one needs escaping in JSON. */
export function renderSite(site: Site): string {
  const content = {
    version: SITE_VERSION,
    name: site.name,
    vpcCidrs: site.vpcCidrs,
    dataCenterCidrs: site.dataCenterCidrs,
    // Left out where it is not known.
    bandwidthMbps: site.bandwidthMbps,
    routeMetric: site.routeMetric,
    ...(site.bgp && {
      bgp: { cloudAsn: site.bgp.cloudAsn, asn: site.bgp.asn, holdSeconds: site.bgp.holdSeconds },
    }),
    uplinks: site.uplinks.map(({ number, address, prefixLength, gateway, device }) => ({
      number,
      address,
      prefixLength,
      gateway,
      device: device ?? null,
      table: derivedNumber(site.name, number),
      mark: derivedMark(site.name, number),
    })),
    tunnels: site.tunnels.map((tunnel) => ({
      number: tunnel.number,
      role: tunnel.role,
      uplink: uplinkOf(tunnel, site.uplinks)?.number,
      connection: tunnelName(site.name, tunnel.number),
      child: tunnelName(site.name, tunnel.number),
      interface: tunnelName(site.name, tunnel.number),
      ifId: derivedNumber(site.name, tunnel.number),
      mtu: tunnel.mtu,
      mss: tunnel.mtu - TCP_HEADERS,
      ipsecAddress: tunnel.ipsecAddress,
      localId: tunnel.peerId,
      remoteId: tunnel.cloudId,
      ...(tunnel.bgp && {
        bgp: { cloudAddress: tunnel.bgp.cloudAddress, boxAddress: tunnel.bgp.boxAddress, prefixLength: 30 },
      }),
    })),
    ...(site.pair && {
      pair: {
        number: site.pair.number,
        lan: { ...site.pair.lan, device: site.pair.lan.device ?? null },
        otherLanAddress: site.pair.otherLanAddress,
        virtualGateway: site.pair.virtualGateway,
        virtualRouterId: derivedVirtualRouterId(site.name),
        port: derivedPort(site.name),
      },
    }),
    agent: {
      probeIntervalMs: site.agent.probeIntervalMs ?? 100,
      probeMisses: site.agent.probeMisses ?? 8,
      holdSeconds: site.agent.holdSeconds ?? 5,
      vpcProbeAddresses: site.agent.vpcProbeAddresses ?? [],
      mechanisms: {
        outerMove: site.agent.outerMove ?? true,
        deleteByOtherUplink: site.agent.deleteByOtherUplink ?? true,
      },
    },
  };
  return jsonAround(content) + "\n";
}
