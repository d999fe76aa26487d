// A connection of two tunnels as both ends see it: what its tunnels carry, what they are made from, and its checks.
import { Precondition, TerraformResource } from "cdktf";
import { Construct, IConstruct } from "constructs";
import { claim, otherHolder } from "../claims";
import { checkBlocks } from "../cloud/block-checks";
import { blockPreconditions, overlapPreconditions } from "../cloud/blocks-at-plan";
import { addressPreconditions } from "../cloud/egress-ips";
import { Findings } from "../findings";
import { expressionOf, matches } from "../expressions";
import { isStandIn } from "../guard";
import { nameProblem, terraformNames } from "../names";
import { isLiteral } from "../structural";
import { IkeVersion } from "./algorithms";
import { checkBgp, ConnectionBgp, networks, TunnelBgp } from "./bgp";
import { PreSharedKey } from "./pre-shared-key";
import { RoutingMode } from "./routing";
import {
  chooseTunnelOptions,
  ID_FORM,
  NO_IDENTITY,
  SingleTunnelOptions,
  Tunnel,
  TunnelOptions,
  tunnelProblems,
  tunnelWarnings,
} from "./tunnel";

/** An IPsec connection, as its other end sees it. */
export interface IIpsecDualConnection extends IConstruct {
  /** The connection's short name. */
  readonly name: string;
  /** The connection's id, `vco-…`. */
  readonly vpnConnectionId: string;
  /** How traffic finds the connection in the cloud. */
  readonly routing: RoutingMode;
  /**
   * What the two ends know of each other with `RoutingMode.BGP`.
   * @default - none: the routing is another
   */
  readonly bgp?: ConnectionBgp;
  /** CIDR blocks of the VPC that the data center reaches. */
  readonly vpcCidrs: readonly string[];
  /** CIDR blocks of the data center that the VPC reaches. */
  readonly dataCenterCidrs: readonly string[];
  /** The active tunnel, then the standby tunnel. */
  readonly tunnels: readonly [Tunnel, Tunnel];
  /**
   * The VPN gateway's bandwidth in Mbit/s.
   * @default - not known
   */
  readonly gatewayBandwidth?: number;
  /** What the box's configuration has to wait for: the connection and its routes. */
  readonly cloudResources: readonly TerraformResource[];
}

const ANYWHERE = "0.0.0.0/0";

/** What a connection's tunnels carry, as the data center sees it: everything when routes decide, the blocks when the policy does. */
export function trafficSelectors(connection: IIpsecDualConnection): {
  local: readonly string[];
  remote: readonly string[];
} {
  return connection.routing === RoutingMode.POLICY
    ? { local: connection.dataCenterCidrs, remote: connection.vpcCidrs }
    : { local: [ANYWHERE], remote: [ANYWHERE] };
}

/** What of a connection only Terraform can check, for the first resource that is made for it. */
export function connectionPreconditions(connection: IIpsecDualConnection): Precondition[] {
  const { name, tunnels, vpcCidrs, dataCenterCidrs } = connection;
  const named = (what: string, cidrs: readonly string[]) =>
    isLiteral(cidrs) ? cidrs.map((cidr) => ({ what, cidr })) : [];
  const ofVpc = named("vpcCidrs", vpcCidrs);
  const ofSite = named("dataCenterCidrs", dataCenterCidrs);
  return [
    ...tunnels.flatMap((tunnel) =>
      tunnel.preSharedKey.preconditions(`The pre-shared key of the ${tunnel.role} tunnel of ${name}`),
    ),
    ...tunnels.flatMap(identityPreconditions),
    ...blockPreconditions([...ofVpc, ...ofSite]),
    ...overlapPreconditions(ofVpc, ofSite),
    ...overlapPreconditions(
      [...ofVpc, ...ofSite],
      networks(tunnels).map(({ text }) => ({ what: "routing.tunnelCidrs", cidr: text })),
    ),
  ];
}

/** Conditions that the identities of a tunnel that are chosen, and that only Terraform knows, are some. */
function identityPreconditions({ role, cloudId, peerId, ipsecAddress, egressIp }: Tunnel): Precondition[] {
  const chosen = { ...(cloudId !== ipsecAddress && { cloudId }), ...(peerId !== egressIp && { peerId }) };
  return Object.entries(chosen)
    .filter(([, id]) => !isLiteral(id) && !isStandIn(id))
    .map(([what, id]) => ({
      condition: matches(ID_FORM, id),
      errorMessage: `${role} tunnel: ${what} ${id} ${NO_IDENTITY}.`,
    }));
}

/** What of the egress IPs of customer gateways that exist only Terraform can check; those made here have it themselves. */
export function egressPreconditions({ tunnels }: IIpsecDualConnection): Precondition[] {
  return [...new Set(tunnels.map(({ egressIp }) => egressIp))]
    .filter((egressIp) => !isLiteral(egressIp) && !isStandIn(egressIp))
    .flatMap((egressIp) => addressPreconditions("egressIp", egressIp));
}

function claimOf(name: string): string {
  return `connection ${name}`;
}

/** Notes that a connection has its name, which another one of its stack is then refused. */
export function claimName(connection: Construct & IIpsecDualConnection): void {
  claim(connection, claimOf(connection.name));
}

/** Checks that a connection's name is one, and its own. */
export function checkName(connection: Construct & IIpsecDualConnection, findings: Findings): void {
  if (isStandIn(connection.name)) return;
  if (!isLiteral(connection.name)) {
    findings.error("name is known only to Terraform; give it as text, because much is named after it.");
    return;
  }
  const name = nameProblem(connection.name);
  if (name) findings.error(`name "${connection.name}" ${name}.`);
  const other = otherHolder(connection, claimOf(connection.name));
  if (other) {
    findings.error(
      `name "${connection.name}" is taken by ${other.node.path}; give each connection of a stack its own.`,
    );
  }
}

/** Checks tunnels and blocks by themselves and against each other. */
export function checkConnection(connection: IIpsecDualConnection, findings: Findings): void {
  const { tunnels, routing, bgp, vpcCidrs, dataCenterCidrs } = connection;
  findings.error(...tunnels.flatMap(tunnelProblems));
  findings.warning(...tunnels.flatMap(tunnelWarnings));
  if (tunnels[0].preSharedKey.isSameAs(tunnels[1].preSharedKey)) {
    findings.warning("preSharedKey is one for both tunnels: whoever learns it has both; give each tunnel its own.");
  }
  checkApart(tunnels, findings);
  const ipsecAddresses = tunnels.map(({ ipsecAddress }) => ipsecAddress).filter(isLiteral);
  for (const egressIp of new Set(tunnels.map((tunnel) => tunnel.egressIp))) {
    if (!ipsecAddresses.includes(egressIp)) continue;
    findings.error(
      `egressIp ${egressIp} is an IPsec address of the VPN gateway; give the data center's address that the cloud sees.`,
    );
  }
  const pairs = vpcCidrs.length * dataCenterCidrs.length;
  const v1 = tunnels.find((tunnel) => tunnel.ike.version === IkeVersion.V1);
  if (routing === RoutingMode.POLICY && pairs > 1 && v1) {
    findings.error(
      `${v1.role} tunnel: IKEv1 carries one pair of blocks in policy-based routing and there are ${pairs}; choose IkeVersion.V2 or RoutingMode.DESTINATION.`,
    );
  }
  // A variable answers with another token each time.
  const written = (cidrs: readonly string[]) =>
    isLiteral(cidrs) ? cidrs.map((cidr) => (isStandIn(cidr) ? cidr : expressionOf(connection, cidr))) : cidrs;
  checkBlocks(written(vpcCidrs), written(dataCenterCidrs), routing === RoutingMode.POLICY, findings);
  if (bgp) checkBgp(bgp, tunnels, connection, findings);
}

/** Checks what tells the two tunnels apart at the box: the cloud's address, and the ids by which it finds a key. */
function checkApart([active, standby]: IIpsecDualConnection["tunnels"], findings: Findings): void {
  const { ipsecAddress, peerId, cloudId } = active;
  if (isLiteral(ipsecAddress) && ipsecAddress === standby.ipsecAddress) {
    findings.error(`ipsecAddress ${ipsecAddress} is given for both tunnels; give each the gateway's address for it.`);
  } else if (
    [peerId, cloudId].every(isLiteral) &&
    peerId === standby.peerId &&
    cloudId === standby.cloudId &&
    !active.preSharedKey.isSameAs(standby.preSharedKey)
  ) {
    findings.error(
      `both tunnels have the peerId ${peerId} and the cloudId ${cloudId}, by which the box finds a tunnel's pre-shared key, and two keys; give one tunnel another id.`,
    );
  }
}

/**
 * Makes a tunnel with every choice made, and a variable for its key where none is given.
 *
 * @param connection in which the variable lives
 * @param name the connection's
 * @param number 1 for the active tunnel
 * @param ends the two addresses
 * @param own options of this tunnel
 * @param common options of both tunnels
 * @param bgp the ends of its BGP session, where it has one
 */
export function makeTunnel(
  connection: Construct,
  name: string,
  number: 1 | 2,
  { ipsecAddress, egressIp }: Pick<Tunnel, "ipsecAddress" | "egressIp">,
  own: SingleTunnelOptions,
  common?: TunnelOptions,
  bgp?: TunnelBgp,
): Tunnel {
  const role = number === 1 ? "active" : "standby";
  return {
    number,
    role,
    ...chooseTunnelOptions(common, own),
    preSharedKey:
      own.preSharedKey ??
      PreSharedKey.declareVariable(
        connection,
        `psk-${role}`,
        terraformNames(name).pskVariable(role),
        `Pre-shared key of the ${role} tunnel of ${name}.`,
      ),
    ipsecAddress,
    egressIp,
    cloudId: own.cloudId ?? ipsecAddress,
    peerId: own.peerId ?? egressIp,
    ...(bgp && { bgp }),
  };
}
