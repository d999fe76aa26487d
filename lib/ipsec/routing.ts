// How traffic finds a connection in the cloud: by routes that the stack makes, or by routes that BGP tells.
import { bag, guard, Kind, list, number, oneOf, optional, Problems, Shape, text } from "../guard";
import { isLiteral } from "../structural";

/** How traffic finds the connection in the cloud. */
export enum RoutingMode {
  /** By destination: one route for each block of the data center; the tunnels carry 0.0.0.0/0. */
  DESTINATION = "destination",
  /** By source and destination: one route for each pair of blocks; the tunnels carry only those. */
  POLICY = "policy",
  /** By BGP in each tunnel, which `Routing.bgp` makes: no route is made, each end tells its blocks; the tunnels carry 0.0.0.0/0. */
  BGP = "bgp",
}

/** The cloud's AS number where no other one is chosen; Alibaba Cloud takes it from no customer gateway. */
export const ALIBABA_ASN = 45104;

/** What can be chosen for BGP. */
export interface BgpOptions {
  /**
   * A /30 in 169.254.0.0/16 for each tunnel, the active tunnel's first: unlike each other and all others of the VPN gateway,
   * and none that Alibaba Cloud keeps for itself: 169.254.0.0/30, 169.254.1.0/30 and so on to 169.254.6.0/30, and
   * 169.254.169.252/30 (CreateVpnConnection, `TunnelCidr`). The cloud has the first host address, the box the second.
   */
  readonly tunnelCidrs: readonly string[];
  /**
   * The cloud's AS number, 1 to 4294967295; the data center's (`asn`) is another one.
   * @default 45104
   */
  readonly cloudAsn?: number;
  /**
   * Seconds without a word after which the box takes a session for dead, 3 to 65535. The smaller one of the two ends' offers
   * holds; failover does not wait for it while the agent runs.
   * @default 3
   */
  readonly holdSeconds?: number;
}

/** Routing that needs more than its mode. */
export class Routing {
  /**
   * BGP in each tunnel. The customer gateways need an `asn`, and the gateway `autoPropagate`.
   *
   * @param options the tunnels' networks, the cloud's AS number, the hold time
   */
  static bgp(options: BgpOptions): Routing {
    const { props, problems } = guard(GIVEN, { routing: options });
    return new Routing(props.routing, problems);
  }

  /** Always BGP: the other modes need nothing else. */
  readonly mode = RoutingMode.BGP;
  /** A /30 for each tunnel. */
  readonly tunnelCidrs: readonly string[];
  /** The cloud's AS number. */
  readonly cloudAsn: number;
  /** Hold time, seconds. */
  readonly holdSeconds: number;

  private constructor(
    private readonly options: BgpOptions,
    private readonly problems: Problems,
  ) {
    this.tunnelCidrs = options.tunnelCidrs;
    this.cloudAsn = options.cloudAsn ?? ALIBABA_ASN;
    this.holdSeconds = options.holdSeconds ?? 3;
  }

  /**
   * The same without what was found wrong with the options, which goes to the construct that they were given to.
   *
   * @internal
   */
  told({ errors, warnings }: Problems): Routing {
    errors.push(...this.problems.errors);
    warnings.push(...this.problems.warnings);
    return new Routing(this.options, { errors: [], warnings: [] });
  }
}

const BGP_SHAPE: Shape<BgpOptions> = {
  tunnelCidrs: list(
    text("169.254.11.0/30"),
    'a list of two blocks, for example ["169.254.11.0/30", "169.254.12.0/30"]',
    "the two blocks",
  ),
  cloudAsn: optional(number),
  holdSeconds: optional(number),
};

const GIVEN: Shape<{ readonly routing: BgpOptions }> = {
  routing: bag(
    BGP_SHAPE,
    'an object with tunnelCidrs, for example { tunnelCidrs: ["169.254.11.0/30", "169.254.12.0/30"] }',
  ),
};

const MODE = oneOf(RoutingMode);
const WANTED = "RoutingMode.DESTINATION, RoutingMode.POLICY or Routing.bgp({ tunnelCidrs: [...] })";

/** Another copy of this library may have made it. */
function isRouting(value: unknown): value is Routing {
  return typeof value === "object" && value !== null && "told" in value && "tunnelCidrs" in value;
}

/** A mode, or routing that needs more than that, as a construct's option. */
export const ROUTING: Kind<RoutingMode | Routing> = {
  ...MODE,
  wanted: WANTED,
  read: (value, where, problems) => {
    if (isRouting(value)) return value.told(problems);
    if (typeof value !== "string" || !isLiteral(value)) return MODE.read(value, where, problems);
    const mode = value as RoutingMode;
    if (mode === RoutingMode.DESTINATION || mode === RoutingMode.POLICY) return mode;
    problems.errors.push(
      mode === RoutingMode.BGP
        ? `${where} RoutingMode.BGP lacks the tunnels' networks; write Routing.bgp({ tunnelCidrs: ["169.254.11.0/30", "169.254.12.0/30"] }).`
        : `${where} ${value} is not offered; give ${WANTED}.`,
    );
    return RoutingMode.DESTINATION;
  },
};
