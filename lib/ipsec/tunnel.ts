// The one model of a tunnel: options with their defaults, checks, and what each end is to be told.
// Alibaba's fields and swanctl's text are both made from a `Tunnel`; neither is ever written by hand.
import { DhGroup, Encryption, IkeMode, IkeVersion, Integrity, Pfs, WEAKNESSES } from "./algorithms";
import { bag, flag, having, number, optional, Shape, standInOf, text } from "../guard";
import { isLiteral } from "../structural";
import { PreSharedKey } from "./pre-shared-key";

/** The IKE phase of a tunnel. */
export interface IkeOptions {
  /**
   * Which IKE protocol both ends speak.
   * @default IkeVersion.V2
   */
  readonly version?: IkeVersion;
  /**
   * Only IKEv1 has a choice.
   * @default IkeMode.MAIN
   */
  readonly mode?: IkeMode;
  /**
   * Cipher that protects the negotiation itself.
   * @default Encryption.AES_256
   */
  readonly encryption?: Encryption;
  /**
   * Hash for integrity and for deriving keys (the API's `IkeAuthAlg`).
   * @default Integrity.SHA_256
   */
  readonly integrity?: Integrity;
  /**
   * Diffie-Hellman group of the first key exchange (the API's `IkePfs`).
   * @default DhGroup.GROUP_14
   */
  readonly dhGroup?: DhGroup;
  /**
   * Lifetime of the IKE_SA in seconds, 60 to 86400; the box rekeys at 80 to 90 % of it.
   * @default 86400
   */
  readonly lifetimeSeconds?: number;
}

/** The ESP phase of a tunnel. */
export interface EspOptions {
  /**
   * Cipher that protects the traffic.
   * @default Encryption.AES_256
   */
  readonly encryption?: Encryption;
  /**
   * Hash that protects the traffic from changes (the API's `IpsecAuthAlg`).
   * @default Integrity.SHA_256
   */
  readonly integrity?: Integrity;
  /**
   * Diffie-Hellman group of each rekeying, so that one key's loss gives away no other's traffic (the API's `IpsecPfs`).
   * @default Pfs.GROUP_14
   */
  readonly pfs?: Pfs;
  /**
   * Lifetime of the CHILD_SA in seconds, 60 to 86400, at most the IKE lifetime; the box rekeys at 80 to 90 % of it.
   * @default 86400
   */
  readonly lifetimeSeconds?: number;
}

/** What can be chosen for a tunnel, or for both tunnels of a connection. */
export interface TunnelOptions {
  /**
   * How the ends authenticate and agree on keys (phase 1).
   * @default - each option's own default
   */
  readonly ike?: IkeOptions;
  /**
   * How the traffic is protected (phase 2).
   * @default - each option's own default
   */
  readonly esp?: EspOptions;
  /**
   * Dead peer detection, at both ends.
   * @default true
   */
  readonly dpd?: boolean;
  /**
   * NAT traversal (ESP in UDP 4500) at both ends; needed behind NAT.
   * @default true
   */
  readonly natTraversal?: boolean;
  /**
   * MTU of the tunnel's interface on the box in bytes, from 576; TCP's MSS is kept 40 below it. What the tunnel adds has to
   * fit into 1500: of the algorithms offered those that add most leave 1406, the default ones 1422, and 1438 without NAT
   * traversal.
   * @default 1400
   */
  readonly mtu?: number;
}

/** What can be chosen for one tunnel only. */
export interface SingleTunnelOptions extends TunnelOptions {
  /**
   * The secret by which the two ends prove themselves; each tunnel should have its own.
   * @default - a sensitive variable `<name>_psk_active` or `<name>_psk_standby`
   */
  readonly preSharedKey?: PreSharedKey;
  /**
   * Identity of the cloud's end (`LocalId` of the API): an IP address, or a name of letters, digits and . _ - @.
   * @default - the tunnel's IPsec address
   */
  readonly cloudId?: string;
  /**
   * Identity of the data center's end (`RemoteId` of the API), in the same form.
   * @default - the tunnel's egress IP
   */
  readonly peerId?: string;
}

const IKE_SHAPE: Shape<IkeOptions> = {
  version: optional(text<IkeVersion>("ikev2")),
  mode: optional(text<IkeMode>("main")),
  encryption: optional(text<Encryption>("aes256")),
  integrity: optional(text<Integrity>("sha256")),
  dhGroup: optional(text<DhGroup>("group14")),
  lifetimeSeconds: optional(number),
};

const ESP_SHAPE: Shape<EspOptions> = {
  encryption: optional(text<Encryption>("aes256")),
  integrity: optional(text<Integrity>("sha256")),
  pfs: optional(text<Pfs>("group14")),
  lifetimeSeconds: optional(number),
};

const TUNNEL_SHAPE: Shape<TunnelOptions> = {
  ike: optional(bag(IKE_SHAPE, "an object of IkeOptions")),
  esp: optional(bag(ESP_SHAPE, "an object of EspOptions")),
  dpd: optional(flag),
  natTraversal: optional(flag),
  mtu: optional(number),
};

/** What the options of one tunnel may be. */
export const SINGLE_TUNNEL_SHAPE: Shape<SingleTunnelOptions> = {
  ...TUNNEL_SHAPE,
  preSharedKey: optional(
    having<PreSharedKey>(
      "a PreSharedKey, for example PreSharedKey.fromVariable(variable)",
      ["expression", "preconditions", "isSameAs"],
      () => PreSharedKey.fromToken(standInOf({ key: text("key") }).key),
    ),
  ),
  cloudId: optional(text("cloud.example.com")),
  peerId: optional(text("box.example.com")),
};

/** Options of both tunnels, as a construct's option. */
export const TUNNEL = bag(TUNNEL_SHAPE, "an object of TunnelOptions");

/** Options of one tunnel, as a construct's option. */
export const SINGLE_TUNNEL = bag(SINGLE_TUNNEL_SHAPE, "an object of SingleTunnelOptions");

/** The active tunnel carries traffic while it lives; the standby tunnel is up and takes over. */
export type TunnelRole = "active" | "standby";

/** A tunnel with every choice made: what both ends are configured from. */
export interface Tunnel {
  /** 1 for the active tunnel, 2 for the standby tunnel. */
  readonly number: 1 | 2;
  /** Whether the tunnel carries the traffic or stands by. */
  readonly role: TunnelRole;
  /** Phase 1, with every option decided. */
  readonly ike: Required<IkeOptions>;
  /** Phase 2, with every option decided. */
  readonly esp: Required<EspOptions>;
  /** Whether both ends probe for a dead peer. */
  readonly dpd: boolean;
  /** Whether ESP travels in UDP 4500. */
  readonly natTraversal: boolean;
  /** MTU of the tunnel's interface on the box, bytes. */
  readonly mtu: number;
  /** The secret of this tunnel, always a sensitive expression. */
  readonly preSharedKey: PreSharedKey;
  /** Public address of the VPN gateway for this tunnel; known only after the gateway exists. */
  readonly ipsecAddress: string;
  /** The address that the cloud sees for the data center's end of this tunnel. */
  readonly egressIp: string;
  /** Identity that the cloud's end shows. */
  readonly cloudId: string;
  /** Identity that the data center's end shows. */
  readonly peerId: string;
}

/** The longest lifetime that the API takes, in seconds (CreateVpnConnection, `IkeLifetime` and `IpsecLifetime`). */
export const LONGEST_LIFETIME = 86400;
/** The shortest lifetime that we accept, in seconds: below it a lossy line spends its time rekeying. */
export const SHORTEST_LIFETIME = 60;

/** The smallest MTU of a tunnel, in bytes: what every IPv4 host takes (RFC 791). */
export const SMALLEST_MTU = 576;

/** The largest packet of an uplink, in bytes (Ethernet). */
const OUTER_MTU = 1500;

/** Bytes of an ESP packet's cipher: its block, which is also the length of its initialization vector in CBC mode. */
const CIPHER_BLOCKS: Readonly<Record<Encryption, number>> = {
  [Encryption.AES_128]: 16,
  [Encryption.AES_192]: 16,
  [Encryption.AES_256]: 16,
  [Encryption.DES]: 8,
  [Encryption.TRIPLE_DES]: 8,
};

/** Bytes of an ESP packet's integrity check value (RFC 2403, RFC 2404, RFC 4868). */
const CHECK_VALUES: Readonly<Record<Integrity, number>> = {
  [Integrity.MD5]: 12,
  [Integrity.SHA1]: 12,
  [Integrity.SHA_256]: 16,
  [Integrity.SHA_384]: 24,
  [Integrity.SHA_512]: 32,
};

/** The largest MTU of a tunnel, in bytes: the largest packet that is still one of 1500 with all that the tunnel adds. */
export function largestMtu({ esp, natTraversal }: Pick<Tunnel, "esp" | "natTraversal">): number {
  // Algorithms that are not offered are complained about; the usual ones stand in for them.
  const block = CIPHER_BLOCKS[esp.encryption] ?? 16;
  const headers = 20 + (natTraversal ? 8 : 0) + 8 + block + (CHECK_VALUES[esp.integrity] ?? 16);
  // Two bytes (pad length, next header) are encrypted with the packet, and the whole fills blocks.
  return Math.floor((OUTER_MTU - headers) / block) * block - 2;
}

/** The largest MTU that any of the algorithms leaves, in bytes. */
export const LARGEST_MTU = Math.max(
  ...Object.values(Encryption).flatMap((encryption) =>
    Object.values(Integrity).map((integrity) =>
      largestMtu({ ...chooseTunnelOptions({ esp: { encryption, integrity } }), natTraversal: false }),
    ),
  ),
);

/** Options of the connection, overridden by options of one tunnel, filled up with defaults. */
export function chooseTunnelOptions(
  common: TunnelOptions = {},
  own: TunnelOptions = {},
): Pick<Tunnel, "ike" | "esp" | "dpd" | "natTraversal" | "mtu"> {
  return {
    ike: {
      version: own.ike?.version ?? common.ike?.version ?? IkeVersion.V2,
      mode: own.ike?.mode ?? common.ike?.mode ?? IkeMode.MAIN,
      encryption: own.ike?.encryption ?? common.ike?.encryption ?? Encryption.AES_256,
      integrity: own.ike?.integrity ?? common.ike?.integrity ?? Integrity.SHA_256,
      dhGroup: own.ike?.dhGroup ?? common.ike?.dhGroup ?? DhGroup.GROUP_14,
      lifetimeSeconds: own.ike?.lifetimeSeconds ?? common.ike?.lifetimeSeconds ?? LONGEST_LIFETIME,
    },
    esp: {
      encryption: own.esp?.encryption ?? common.esp?.encryption ?? Encryption.AES_256,
      integrity: own.esp?.integrity ?? common.esp?.integrity ?? Integrity.SHA_256,
      pfs: own.esp?.pfs ?? common.esp?.pfs ?? Pfs.GROUP_14,
      lifetimeSeconds: own.esp?.lifetimeSeconds ?? common.esp?.lifetimeSeconds ?? LONGEST_LIFETIME,
    },
    dpd: own.dpd ?? common.dpd ?? true,
    natTraversal: own.natTraversal ?? common.natTraversal ?? true,
    mtu: own.mtu ?? common.mtu ?? 1400,
  };
}

const ID_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}$/;

/** All that is wrong with a tunnel, each a sentence. */
export function tunnelProblems(tunnel: Tunnel): string[] {
  const where = `${tunnel.role} tunnel`;
  const problems: string[] = [];
  const oneOf = (what: string, value: string, allowed: Record<string, string>) => {
    const words = Object.values(allowed);
    if (!words.includes(value))
      problems.push(`${where}: ${what} ${value} is not offered; choose one of ${words.join(", ")}.`);
  };
  oneOf("ike.version", tunnel.ike.version, IkeVersion);
  oneOf("ike.mode", tunnel.ike.mode, IkeMode);
  oneOf("ike.encryption", tunnel.ike.encryption, Encryption);
  oneOf("ike.integrity", tunnel.ike.integrity, Integrity);
  oneOf("ike.dhGroup", tunnel.ike.dhGroup, DhGroup);
  oneOf("esp.encryption", tunnel.esp.encryption, Encryption);
  oneOf("esp.integrity", tunnel.esp.integrity, Integrity);
  oneOf("esp.pfs", tunnel.esp.pfs, Pfs);
  if (tunnel.ike.version === IkeVersion.V2 && tunnel.ike.mode === IkeMode.AGGRESSIVE) {
    problems.push(`${where}: ike.mode aggressive exists in IKEv1 only; leave ike.mode out or choose IkeVersion.V1.`);
  }
  const lifetime = (what: string, seconds: number) => {
    if (Number.isInteger(seconds) && seconds >= SHORTEST_LIFETIME && seconds <= LONGEST_LIFETIME) return true;
    const given = isLiteral(seconds) ? `is ${seconds}` : "is known only to Terraform";
    problems.push(
      `${where}: ${what} ${given}; give a whole number of seconds from ${SHORTEST_LIFETIME} to ${LONGEST_LIFETIME}.`,
    );
    return false;
  };
  const largest = largestMtu(tunnel);
  if (!Number.isInteger(tunnel.mtu) || tunnel.mtu < SMALLEST_MTU || tunnel.mtu > largest) {
    const given = isLiteral(tunnel.mtu) ? `is ${tunnel.mtu}` : "is known only to Terraform";
    problems.push(
      `${where}: mtu ${given}; give a whole number of bytes from ${SMALLEST_MTU} to ${largest}, which its algorithms leave of ${OUTER_MTU}.`,
    );
  }
  const ikeOk = lifetime("ike.lifetimeSeconds", tunnel.ike.lifetimeSeconds);
  const espOk = lifetime("esp.lifetimeSeconds", tunnel.esp.lifetimeSeconds);
  if (ikeOk && espOk && tunnel.ike.lifetimeSeconds < tunnel.esp.lifetimeSeconds) {
    problems.push(
      `${where}: ike.lifetimeSeconds ${tunnel.ike.lifetimeSeconds} is shorter than esp.lifetimeSeconds ${tunnel.esp.lifetimeSeconds}; ` +
        `make the IKE lifetime at least as long as the ESP lifetime.`,
    );
  }
  for (const [what, id] of [
    ["cloudId", tunnel.cloudId],
    ["peerId", tunnel.peerId],
  ]) {
    if (isLiteral(id) && !ID_PATTERN.test(id)) {
      problems.push(
        `${where}: ${what} "${id}" cannot be an identity at both ends; use an IP address, or 1 to 100 letters, digits and . _ - @ that start with a letter, a digit or _.`,
      );
    }
  }
  if (tunnel.preSharedKey.problem) problems.push(`${where}: preSharedKey ${tunnel.preSharedKey.problem}.`);
  return problems;
}

/** A sentence for each weak choice of a tunnel, naming the risk. */
export function tunnelWarnings(tunnel: Tunnel): string[] {
  const choices: [string, string, boolean?][] = [
    ["ike.version", tunnel.ike.version],
    ["ike.mode", tunnel.ike.mode],
    ["ike.encryption", tunnel.ike.encryption],
    ["ike.integrity", tunnel.ike.integrity],
    ["ike.dhGroup", tunnel.ike.dhGroup],
    ["esp.encryption", tunnel.esp.encryption],
    ["esp.integrity", tunnel.esp.integrity],
    ["esp.pfs", tunnel.esp.pfs],
  ];
  return choices
    .filter(([, value]) => value in WEAKNESSES)
    .map(([what, value]) => `${tunnel.role} tunnel: ${what} ${value} is weak: ${WEAKNESSES[value]}.`);
}
