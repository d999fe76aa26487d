// The one model of a tunnel: options with their defaults, checks, and what each end is to be told.
// Alibaba's fields and swanctl's text are both made from a `Tunnel`; neither is ever written by hand.
import { bag, flag, having, number, optional, Shape, standInOf, text } from "../guard";
import { isLiteral } from "../structural";
import type { TunnelBgp } from "./bgp";
import { ESP, EspOptions, EspPhase } from "./esp";
import { IKE, IkeOptions, IkePhase } from "./ike";
import { lifetimeProblems } from "./lifetime";
import { largestMtu, OUTER_MTU, SMALLEST_MTU } from "./mtu";
import { PreSharedKey } from "./pre-shared-key";

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

const TUNNEL_SHAPE: Shape<TunnelOptions> = {
  ike: optional(IKE),
  esp: optional(ESP),
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
  readonly ike: IkePhase;
  /** Phase 2, with every option decided. */
  readonly esp: EspPhase;
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
  /**
   * The BGP session inside the tunnel.
   * @default - none: the routing is another
   */
  readonly bgp?: TunnelBgp;
}

/** Options of the connection, overridden by options of one tunnel, filled up with defaults. */
export function chooseTunnelOptions(
  common: TunnelOptions = {},
  own: TunnelOptions = {},
): Pick<Tunnel, "ike" | "esp" | "dpd" | "natTraversal" | "mtu"> {
  return {
    ike: new IkePhase(own.ike, common.ike),
    esp: new EspPhase(own.esp, common.esp),
    dpd: own.dpd ?? common.dpd ?? true,
    natTraversal: own.natTraversal ?? common.natTraversal ?? true,
    mtu: own.mtu ?? common.mtu ?? 1400,
  };
}

/** What an identity is, as a regular expression for both of us and Terraform. */
export const ID_FORM = "^[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}$";

/** What is wrong with one of another form, as the rest of a sentence. */
export const NO_IDENTITY =
  "cannot be an identity at both ends; use an IP address, or 1 to 100 letters, digits and . _ - @ that start with a letter, a digit or _";

/** All that is wrong with a tunnel, each a sentence. */
export function tunnelProblems(tunnel: Tunnel): string[] {
  const { role, ike, esp, mtu, preSharedKey } = tunnel;
  const problems = [...ike.problems, ...esp.problems];
  if (ike.lifetimeSeconds < esp.lifetimeSeconds && ![ike, esp].some(hasWrongLifetime)) {
    problems.push(
      `ike.lifetimeSeconds ${ike.lifetimeSeconds} is shorter than esp.lifetimeSeconds ${esp.lifetimeSeconds}; ` +
        `make the IKE lifetime at least as long as the ESP lifetime.`,
    );
  }
  const largest = largestMtu(tunnel);
  if (!Number.isInteger(mtu) || mtu < SMALLEST_MTU || mtu > largest) {
    const given = isLiteral(mtu) ? `is ${mtu}` : "is known only to Terraform";
    problems.push(
      `mtu ${given}; give a whole number of bytes from ${SMALLEST_MTU} to ${largest}, which its algorithms leave of ${OUTER_MTU}.`,
    );
  }
  for (const what of ["cloudId", "peerId"] as const) {
    const id = tunnel[what];
    if (!isLiteral(id) || new RegExp(ID_FORM).test(id)) continue;
    problems.push(`${what} "${id}" ${NO_IDENTITY}.`);
  }
  if (preSharedKey.problem) problems.push(`preSharedKey ${preSharedKey.problem}.`);
  return problems.map((problem) => `${role} tunnel: ${problem}`);
}

/** A sentence for each weak choice of a tunnel, naming the risk. */
export function tunnelWarnings({ role, ike, esp }: Tunnel): string[] {
  return [...ike.warnings, ...esp.warnings].map((warning) => `${role} tunnel: ${warning}`);
}

function hasWrongLifetime({ lifetimeSeconds }: IkePhase | EspPhase): boolean {
  return lifetimeProblems("", lifetimeSeconds).length > 0;
}
