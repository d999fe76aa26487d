// One tunnel of a connection as a request gives it: allowed values, Alibaba's defaults, and how an answer shows it.
import { randomInt } from "node:crypto";
import type { TunnelStatus } from "../cloud-end";
import type { Answer, Context } from "../context";
import { illegal, missing } from "../errors";
import { cidrWithin, type Parameters } from "../parameters";
import {
  DEFAULT_LIFETIME,
  hostAddresses,
  peerBgpIp,
  type BgpConfig,
  type IkeConfig,
  type IpsecConfig,
  type Tunnel,
} from "../store";

const ENCRYPTION = ["aes", "aes192", "aes256", "des", "3des"];
const AUTHENTICATION = ["md5", "sha1", "sha256", "sha384", "sha512"];
const GROUPS = ["group1", "group2", "group5", "group14"];
const MAXIMUM_LIFETIME = 86400;
const PSK_CHARACTERS = /^[0-9A-Za-z~`!@#$%^&*()_\-+={}[\]|\\;:'",.<>/?]{1,100}$/;
/** Blocks that Alibaba keeps for itself. */
const RESERVED_BGP_BLOCKS = [...[0, 1, 2, 3, 4, 5, 6].map((third) => `169.254.${third}.0/30`), "169.254.169.252/30"];

/** Phase 1: what the request gives over what is in force. */
export function readIke(parameters: Parameters | undefined, current: IkeConfig): IkeConfig {
  if (parameters === undefined) return current;
  const psk = parameters.text("Psk");
  if (psk !== undefined && !PSK_CHARACTERS.test(psk)) {
    throw illegal(
      parameters.name("Psk"),
      "it has 1 to 100 characters, which are letters, digits and ~`!@#$%^&*()_-+={}[]|\\;:'\",.<>/?",
    );
  }
  return {
    IkeAuthAlg: parameters.choice("IkeAuthAlg", AUTHENTICATION) ?? current.IkeAuthAlg,
    IkeEncAlg: parameters.choice("IkeEncAlg", ENCRYPTION) ?? current.IkeEncAlg,
    IkeLifetime: parameters.integer("IkeLifetime", 0, MAXIMUM_LIFETIME) ?? current.IkeLifetime,
    IkeMode: parameters.choice("IkeMode", ["main", "aggressive"]) ?? current.IkeMode,
    IkePfs: parameters.choice("IkePfs", GROUPS) ?? current.IkePfs,
    IkeVersion: parameters.choice("IkeVersion", ["ikev1", "ikev2"]) ?? current.IkeVersion,
    LocalId: readIdentity(parameters, "LocalId") ?? current.LocalId,
    RemoteId: readIdentity(parameters, "RemoteId") ?? current.RemoteId,
    Psk: psk ?? current.Psk,
  };
}

/** Phase 1 as the API makes it where a request is silent. */
export function defaultIke(ipsecAddress: string, peerAddress: string): IkeConfig {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return {
    IkeAuthAlg: "md5",
    IkeEncAlg: "aes",
    IkeLifetime: DEFAULT_LIFETIME,
    IkeMode: "main",
    IkePfs: "group2",
    IkeVersion: "ikev1",
    LocalId: ipsecAddress,
    RemoteId: peerAddress,
    Psk: Array.from({ length: 16 }, () => letters[randomInt(letters.length)]).join(""),
  };
}

/** Phase 2: what the request gives over what is in force. */
export function readIpsec(parameters: Parameters | undefined, current: IpsecConfig): IpsecConfig {
  if (parameters === undefined) return current;
  return {
    IpsecAuthAlg: parameters.choice("IpsecAuthAlg", AUTHENTICATION) ?? current.IpsecAuthAlg,
    IpsecEncAlg: parameters.choice("IpsecEncAlg", ENCRYPTION) ?? current.IpsecEncAlg,
    IpsecLifetime: parameters.integer("IpsecLifetime", 0, MAXIMUM_LIFETIME) ?? current.IpsecLifetime,
    IpsecPfs: parameters.choice("IpsecPfs", ["disabled", ...GROUPS]) ?? current.IpsecPfs,
  };
}

/** Phase 2 as the API makes it where a request is silent. */
export const DEFAULT_IPSEC: IpsecConfig = {
  IpsecAuthAlg: "md5",
  IpsecEncAlg: "aes",
  IpsecLifetime: DEFAULT_LIFETIME,
  IpsecPfs: "group2",
};

/** A tunnel's BGP; `taken` are the blocks of the gateway's other tunnels. */
export function readBgp(
  parameters: Parameters | undefined,
  current: BgpConfig | undefined,
  taken: readonly string[],
): BgpConfig | undefined {
  if (parameters === undefined) return current;
  const asn = parameters.integer("LocalAsn", 1, 0xffffffff)?.toString() ?? current?.LocalAsn ?? "45104";
  const cidr = parameters.cidr("TunnelCidr") ?? current?.TunnelCidr;
  if (cidr === undefined) throw missing(parameters.name("TunnelCidr"));
  if (!cidrWithin(cidr, "169.254.0.0/16") || !cidr.endsWith("/30") || RESERVED_BGP_BLOCKS.includes(cidr)) {
    throw illegal(parameters.name("TunnelCidr"), "it is a free /30 block in 169.254.0.0/16");
  }
  if (taken.includes(cidr)) {
    throw illegal(parameters.name("TunnelCidr"), "another tunnel of the VPN gateway has this block");
  }
  const address = parameters.text("LocalBgpIp") ?? current?.LocalBgpIp;
  if (address === undefined) throw missing(parameters.name("LocalBgpIp"));
  const hosts = hostAddresses(cidr);
  if (!hosts.includes(address)) throw illegal(parameters.name("LocalBgpIp"), `it is ${hosts.join(" or ")}`);
  return { LocalAsn: asn, LocalBgpIp: address, TunnelCidr: cidr };
}

/** The tunnel as DescribeVpnConnection shows it. */
export function describeTunnel(
  context: Context,
  tunnel: Tunnel,
  place: {
    ipsecAddress: string;
    zoneId: string;
    state: string;
    status: TunnelStatus;
    /** Undefined while BGP is off. */
    bgp: { established: boolean; peerAsn: number | undefined } | undefined;
  },
): Answer {
  const scalar = (value: boolean | number): boolean | number | string =>
    context.quoteTunnelScalars ? String(value) : value;
  return {
    TunnelId: tunnel.id,
    Role: tunnel.role,
    CustomerGatewayId: tunnel.customerGatewayId,
    InternetIp: place.ipsecAddress,
    ZoneNo: place.zoneId,
    State: place.state,
    Status: place.status,
    EnableDpd: scalar(tunnel.enableDpd),
    EnableNatTraversal: scalar(tunnel.enableNatTraversal),
    TunnelIkeConfig: { ...tunnel.ike, IkeLifetime: scalar(tunnel.ike.IkeLifetime) },
    TunnelIpsecConfig: { ...tunnel.ipsec, IpsecLifetime: scalar(tunnel.ipsec.IpsecLifetime) },
    // Left out while BGP is off: the provider would see a block that nobody configured.
    ...(place.bgp !== undefined && tunnel.bgp !== undefined
      ? {
          TunnelBgpConfig: {
            ...tunnel.bgp,
            PeerAsn: String(place.bgp.peerAsn ?? ""),
            PeerBgpIp: peerBgpIp(tunnel.bgp),
            BgpStatus: place.bgp.established ? "success" : "false",
          },
        }
      : {}),
  };
}

function readIdentity(parameters: Parameters, name: string): string | undefined {
  const value = parameters.text(name);
  if (value !== undefined && !/^\S{1,100}$/.test(value)) {
    throw illegal(parameters.name(name), "it has 1 to 100 characters and no space");
  }
  return value;
}
