// What exists in the emulated cloud: the resources, their ids, and the pool that IPsec addresses come from.
// The store only remembers; the rules are in actions/.
import { randomBytes } from "node:crypto";
import { deserialize, serialize } from "node:v8";
import type { CloudState, CloudTunnel } from "./cloud-end";
import { quotaFull } from "./errors";

interface Resource {
  readonly id: string;
  readonly regionId: string;
  /** Milliseconds since 1970. */
  readonly createTime: number;
  readonly tags: Map<string, string>;
  resourceGroupId: string;
}

export interface Vpc extends Resource {
  readonly cidrBlock: string;
  readonly routerId: string;
  readonly routeTableId: string;
  name: string;
  description: string;
  status: "Pending" | "Available";
}

export interface VSwitch extends Resource {
  readonly vpcId: string;
  readonly zoneId: string;
  readonly cidrBlock: string;
  name: string;
  description: string;
  status: "Pending" | "Available";
}

export interface VpnGateway extends Resource {
  readonly vpcId: string;
  readonly vSwitchId: string;
  readonly disasterRecoveryVSwitchId: string;
  readonly networkType: "public" | "private";
  readonly chargeType: "PostpayByFlow" | "Prepay";
  /** Mbit/s. */
  readonly bandwidth: number;
  readonly ipsecEnabled: boolean;
  readonly sslEnabled: boolean;
  readonly sslConnections: number;
  /** IPsec address 1 and 2. */
  readonly ipsecAddresses: readonly [string, string];
  name: string;
  description: string;
  autoPropagate: boolean;
  status: "init" | "provisioning" | "active" | "updating" | "deleting";
}

export interface CustomerGateway extends Resource {
  readonly ipAddress: string;
  readonly asn?: number;
  name: string;
  description: string;
}

export interface IkeConfig {
  IkeAuthAlg: string;
  IkeEncAlg: string;
  /** Seconds, 0 to 86400. */
  IkeLifetime: number;
  IkeMode: string;
  IkePfs: string;
  IkeVersion: string;
  LocalId: string;
  RemoteId: string;
  Psk: string;
}

export interface IpsecConfig {
  IpsecAuthAlg: string;
  IpsecEncAlg: string;
  /** Seconds, 0 to 86400. */
  IpsecLifetime: number;
  IpsecPfs: string;
}

export interface BgpConfig {
  LocalAsn: string;
  LocalBgpIp: string;
  TunnelCidr: string;
}

export interface Tunnel {
  readonly id: string;
  readonly customerGatewayId: string;
  /** 0: on IPsec address 1 and in the gateway's vSwitch; 1: on IPsec address 2 and in the other one. */
  readonly position: 0 | 1;
  role: "master" | "slave";
  enableDpd: boolean;
  enableNatTraversal: boolean;
  ike: IkeConfig;
  ipsec: IpsecConfig;
  bgp?: BgpConfig;
}

export interface VpnConnection extends Resource {
  readonly vpnGatewayId: string;
  /** In the order in which they were given. */
  readonly tunnels: [Tunnel, Tunnel];
  name: string;
  localSubnets: string[];
  remoteSubnets: string[];
  effectImmediately: boolean;
  enableTunnelsBgp: boolean;
  autoConfigRoute: boolean;
  state: "updating" | "active" | "deleting";
}

export interface Route {
  readonly vpnGatewayId: string;
  readonly nextHop: string;
  readonly destination: string;
  /** Only a policy-based route has a source. */
  readonly source?: string;
  readonly createTime: number;
  /** Made by the system for a connection with protected data flows; goes with the connection. */
  readonly automatic: boolean;
  weight: number;
  published: boolean;
  deleting: boolean;
}

export class Store {
  readonly vpcs = new Map<string, Vpc>();
  readonly vSwitches = new Map<string, VSwitch>();
  readonly vpnGateways = new Map<string, VpnGateway>();
  readonly customerGateways = new Map<string, CustomerGateway>();
  readonly vpnConnections = new Map<string, VpnConnection>();
  readonly routes: Route[] = [];
  private readonly freeAddresses: string[];

  constructor(ipsecAddresses: readonly string[]) {
    this.freeAddresses = [...ipsecAddresses];
  }

  /** Everything that exists, as bytes. */
  save(): Buffer {
    return serialize([this.maps.map((map) => [...map]), this.routes, this.freeAddresses]);
  }

  /** Makes everything what it was when `save` gave these bytes. */
  load(bytes: Buffer): void {
    const [maps, routes, freeAddresses] = deserialize(bytes) as [[string, unknown][][], Route[], string[]];
    this.maps.forEach((map, index) => {
      map.clear();
      for (const [id, resource] of maps[index]) (map as Map<string, unknown>).set(id, resource);
    });
    this.routes.splice(0, this.routes.length, ...routes);
    this.freeAddresses.splice(0, this.freeAddresses.length, ...freeAddresses);
  }

  private get maps(): Map<string, object>[] {
    return [this.vpcs, this.vSwitches, this.vpnGateways, this.customerGateways, this.vpnConnections];
  }

  /** An id of Alibaba's look. */
  newId(prefix: string): string {
    const letters = "0123456789abcdefghijklmnopqrstuvwxyz";
    return `${prefix}-t4n${[...randomBytes(17)].map((byte) => letters[byte % letters.length]).join("")}`;
  }

  /** The fields that every new resource has. */
  newResource(prefix: string, regionId: string, resourceGroupId = "rg-default"): Resource {
    return { id: this.newId(prefix), regionId, createTime: Date.now(), tags: new Map(), resourceGroupId };
  }

  /** The next two IPsec addresses of the pool. */
  takeIpsecAddresses(): [string, string] {
    const [first, second] = this.freeAddresses;
    if (first === undefined || second === undefined) {
      throw quotaFull("this lab has no IPsec addresses left for another VPN gateway");
    }
    this.freeAddresses.splice(0, 2);
    return [first, second];
  }

  /** Returned addresses are the first to be handed out again, so that a lab rebuilt finds the same ones. */
  returnIpsecAddresses(addresses: readonly [string, string]): void {
    this.freeAddresses.unshift(...addresses);
  }

  routesOf(connectionId: string): Route[] {
    return this.routes.filter((route) => route.nextHop === connectionId);
  }

  removeRoutes(unwanted: (route: Route) => boolean): void {
    const kept = this.routes.filter((route) => !unwanted(route));
    this.routes.splice(0, this.routes.length, ...kept);
  }

  private bgpOf({ bgp, customerGatewayId }: Tunnel): Pick<CloudTunnel, "bgp"> {
    const peerAsn = this.customerGateways.get(customerGatewayId)?.asn;
    if (bgp === undefined || peerAsn === undefined) return {};
    const cloudAddress = bgp.LocalBgpIp;
    const peerAddress = peerBgpIp(bgp);
    return { bgp: { cloudAsn: Number(bgp.LocalAsn), peerAsn, cloudAddress, peerAddress, prefixLength: 30 } };
  }

  /** What the cloud end has to be: everything that is not on its way out. */
  desiredState(): CloudState {
    const gateways = [...this.vpnGateways.values()].filter((gateway) => gateway.status !== "deleting");
    const connections = [...this.vpnConnections.values()].filter((connection) => connection.state !== "deleting");
    return {
      gateways: gateways.map((gateway) => ({
        id: gateway.id,
        vpcCidrBlock: this.vpcs.get(gateway.vpcId)?.cidrBlock ?? "",
        ipsecAddresses: gateway.ipsecAddresses,
        autoPropagate: gateway.autoPropagate,
        announced: [...this.vSwitches.values()]
          .filter((vSwitch) => vSwitch.vpcId === gateway.vpcId)
          .map((vSwitch) => vSwitch.cidrBlock),
      })),
      connections: connections.map((connection) => {
        const addresses = this.vpnGateways.get(connection.vpnGatewayId)?.ipsecAddresses ?? ["", ""];
        const tunnel = (t: Tunnel) => ({
          tunnelId: t.id,
          role: t.role,
          ipsecAddress: addresses[t.position],
          peerAddress: this.customerGateways.get(t.customerGatewayId)?.ipAddress ?? "",
          localId: t.ike.LocalId,
          remoteId: t.ike.RemoteId,
          psk: t.ike.Psk,
          ike: {
            version: t.ike.IkeVersion as "ikev1" | "ikev2",
            mode: t.ike.IkeMode as "main" | "aggressive",
            enc: t.ike.IkeEncAlg,
            auth: t.ike.IkeAuthAlg,
            dhGroup: t.ike.IkePfs,
            lifetime: t.ike.IkeLifetime || DEFAULT_LIFETIME,
          },
          esp: {
            enc: t.ipsec.IpsecEncAlg,
            auth: t.ipsec.IpsecAuthAlg,
            pfs: t.ipsec.IpsecPfs,
            lifetime: t.ipsec.IpsecLifetime || DEFAULT_LIFETIME,
          },
          dpd: t.enableDpd,
          natTraversal: t.enableNatTraversal,
          ...(connection.enableTunnelsBgp ? this.bgpOf(t) : {}),
        });
        return {
          id: connection.id,
          name: connection.name,
          gatewayId: connection.vpnGatewayId,
          localSubnets: connection.localSubnets,
          remoteSubnets: connection.remoteSubnets,
          effectImmediately: connection.effectImmediately,
          tunnels: [tunnel(connection.tunnels[0]), tunnel(connection.tunnels[1])] as const,
        };
      }),
      routes: this.routes
        .filter((route) => !route.deleting)
        .map((route) => ({
          gatewayId: route.vpnGatewayId,
          connectionId: route.nextHop,
          destination: route.destination,
          ...(route.source === undefined ? {} : { source: route.source }),
          weight: route.weight,
          published: route.published,
        })),
    };
  }
}

/** The other one of the two host addresses of a /30. */
export function peerBgpIp({ LocalBgpIp, TunnelCidr }: BgpConfig): string {
  const [first, second] = hostAddresses(TunnelCidr);
  return LocalBgpIp === first ? second : first;
}

/** The two host addresses of a /30. */
export function hostAddresses(cidr: string): [string, string] {
  const [network = ""] = cidr.split("/");
  const [, start = "", last = ""] = /^(.*\.)(\d+)$/.exec(network) ?? [];
  return [`${start}${Number(last) + 1}`, `${start}${Number(last) + 2}`];
}

/** Seconds. The API takes a lifetime of 0 and keeps it; for the cloud end it means this default. */
export const DEFAULT_LIFETIME = 86400;
