// CustomerGatewayPair: what Alibaba Cloud is told about the data center's public addresses,
// one customer gateway for each egress IP.
import { VpnCustomerGateway } from "@cdktf/provider-alicloud/lib/vpn-customer-gateway";
import { TerraformProvider, TerraformResourceLifecycle, TerraformStack } from "cdktf";
import { Construct, IConstruct } from "constructs";
import { egressIpPreconditions } from "./cloud/egress-ips";
import { CLOUD_SHAPE, CloudOptions } from "./cloud/options";
import { checkProvider, noteProvider } from "./cloud/providers";
import { egressIpProblem, idProblem, tagProblems, textProblem } from "./cloud/rules";
import { claim, otherHolder, registered } from "./claims";
import { expressionOf, identityOf } from "./expressions";
import { Findings } from "./findings";
import {
  guard,
  having,
  ignoreChanges,
  inStack,
  isStandIn,
  Kind,
  list,
  number,
  optional,
  Shape,
  standInOf,
  tell,
  text,
} from "./guard";
import { checkAsn } from "./ipsec/bgp";
import { customerGatewayName, customerGatewayPrefix } from "./names";
import { Moved } from "./moved";
import { isLiteral } from "./structural";

/** The customer gateways of a site, made here or elsewhere. */
export interface ICustomerGatewayPair extends IConstruct {
  /** Id of the active tunnel's customer gateway, `cgw-…`. */
  readonly activeCustomerGatewayId: string;
  /** Id of the standby tunnel's customer gateway; the same as the active one's when there is one egress IP. */
  readonly standbyCustomerGatewayId: string;
  /** Egress IP of the active tunnel. */
  readonly activeEgressIp: string;
  /** Egress IP of the standby tunnel. */
  readonly standbyEgressIp: string;
  /**
   * The data center's AS number.
   * @default - none: BGP is not possible
   */
  readonly asn?: number;
  /** The `alicloud_vpn_customer_gateway`s underneath; none for customer gateways that exist. */
  readonly resources: readonly VpnCustomerGateway[];
}

/** What a `CustomerGatewayPair` is made from. */
export interface CustomerGatewayPairProps extends CloudOptions {
  /** The public addresses that the cloud sees: the active tunnel's first; one alone serves both tunnels. */
  readonly egressIps: readonly string[];
  /**
   * The data center's AS number, which BGP needs: 1 to 4294967295 and not 45104; best a private one (64512 to 65534). Given from
   * the beginning, BGP can be switched on later in place; a changed one replaces the customer gateways, and with them the
   * connection and its routes, which is an outage of minutes.
   * @default - none: BGP is not possible
   */
  readonly asn?: number;
  /**
   * The customer gateways are named `<name>-1` and `<name>-2`.
   * @default - the construct's id
   */
  readonly name?: string;
  /**
   * Text for the console: 1 to 100 characters (CreateCustomerGateway, `Description`).
   * @default - none
   */
  readonly description?: string;
  /**
   * Attributes whose drift Terraform is to ignore, for example `["tags"]`.
   * @default - none
   */
  readonly ignoreChanges?: TerraformResourceLifecycle["ignoreChanges"];
}

/** The facts of customer gateways that exist. */
export interface CustomerGatewayPairAttributes {
  /** The active tunnel's, `cgw-…`. */
  readonly activeCustomerGatewayId: string;
  /** The address that the active tunnel's customer gateway names. */
  readonly activeEgressIp: string;
  /**
   * The standby tunnel's, `cgw-…`.
   * @default - the active one
   */
  readonly standbyCustomerGatewayId?: string;
  /**
   * The address that the standby tunnel's customer gateway names.
   * @default - the active one
   */
  readonly standbyEgressIp?: string;
  /**
   * The data center's AS number as both customer gateways have it.
   * @default - none: BGP is not possible
   */
  readonly asn?: number;
}

/**
 * One customer gateway for each egress IP. With one egress IP there is one, shared by both tunnels: the API refuses a
 * second one with the same address.
 */
export class CustomerGatewayPair extends Construct implements ICustomerGatewayPair {
  /**
   * Customer gateways that exist.
   *
   * @param scope where the construct lives
   * @param id the construct's id
   * @param attributes their facts
   */
  static fromCustomerGatewayPairAttributes(
    scope: Construct,
    id: string,
    attributes: CustomerGatewayPairAttributes,
  ): ICustomerGatewayPair {
    return new ExistingCustomerGatewayPair(scope, id, attributes);
  }

  /** The `alicloud_vpn_customer_gateway`s underneath: one or two, the active tunnel's first. */
  readonly resources: readonly VpnCustomerGateway[];
  readonly activeEgressIp: string;
  readonly standbyEgressIp: string;
  readonly asn?: number;
  private ids?: readonly string[];

  constructor(scope: Construct, id: string, given: CustomerGatewayPairProps) {
    super(inStack(scope, id, "CustomerGatewayPair"), id);
    const guarded = guard(SHAPE, given);
    const { props } = guarded;
    const [first = "", second = first] = props.egressIps;
    this.activeEgressIp = first;
    this.standbyEgressIp = second;
    this.asn = props.asn;
    this.resources = props.egressIps.map((ipAddress, index) => {
      const resource = new CustomerGateway(this, String(index + 1), {
        provider: props.provider,
        lifecycle: lifecycleOf(props, index),
        customerGatewayName: `${props.name ?? id}-${index + 1}`,
        description: props.description,
        ipAddress,
        asn: props.asn === undefined ? undefined : String(props.asn),
        tags: props.tags,
      });
      const site = customerGatewayPrefix(scope);
      const byPlace = site === undefined ? resource.cdktfStack.getLogicalId(resource) : `${site}_${index + 1}`;
      const byAddress = customerGatewayName(ipAddress, props.provider);
      resource.overrideLogicalId(byAddress ?? byPlace);
      // Version 0.1.0 had all by their place in the list.
      if (byAddress !== undefined) {
        const { terraformResourceType: type } = resource;
        new Moved(resource, `${type}.${byPlace}`, this.withoutAlias(type, ipAddress, byAddress));
      }
      return resource;
    });
    const claims = new Map(props.egressIps.map((egressIp) => [this.claimOf(egressIp, props.provider), egressIp]));
    for (const what of claims.keys()) claim(this, what);
    noteProvider(this, props.provider);
    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      this.check(props, claims, findings);
    });
  }

  get activeCustomerGatewayId(): string {
    return this.customerGatewayIds[0] ?? "";
  }

  get standbyCustomerGatewayId(): string {
    return this.customerGatewayIds[1] ?? this.activeCustomerGatewayId;
  }

  private get customerGatewayIds(): readonly string[] {
    return (this.ids ??= this.resources.map((resource) => resource.id));
  }

  /** The address before the provider had an alias, where no other customer gateway of the stack has it, or may have had it. */
  private withoutAlias(type: string, egressIp: string, byAddress: string): () => string | undefined {
    const former = customerGatewayName(egressIp);
    const all = registered<string>(this, `customer gateways of ${egressIp} in ${TerraformStack.of(this).node.path}`);
    all.push(byAddress);
    return () => (former !== byAddress && all.every((each) => each === byAddress) ? `${type}.${former}` : undefined);
  }

  private claimOf(egressIp: string, provider?: TerraformProvider): string {
    return `egressIp ${identityOf(this, egressIp)} of ${provider?.alias ?? "default"}`;
  }

  private check(props: CustomerGatewayPairProps, claims: ReadonlyMap<string, string>, findings: Findings): void {
    const egressIps: readonly string[] = props.egressIps;
    if (egressIps.length < 1 || egressIps.length > 2) {
      findings.error(`egressIps has ${egressIps.length} entries; give one for both tunnels, or one for each.`);
    }
    for (const address of egressIps.filter(isLiteral)) checkEgressIp("egressIp", address, "198.51.100.198", findings);
    for (const [what, egressIp] of claims) {
      if (isStandIn(egressIp)) continue;
      const other = otherHolder(this, what);
      if (!other) continue;
      findings.error(
        `egressIp ${egressIp} has a customer gateway in ${other.node.path}, and Alibaba Cloud refuses a second one; share that one (customerGateways).`,
      );
    }
    // A variable answers with another token each time.
    const [first, second] = egressIps.map((egressIp) => expressionOf(this, egressIp));
    if (egressIps.length === 2 && first === second && !egressIps.some(isStandIn)) {
      findings.error(
        `egressIp ${first} is given twice, which Alibaba Cloud refuses; with one egress IP give it, and its uplink, once.`,
      );
    }
    checkAsn(props.asn, findings);
    checkProvider(this, props.provider, findings);
    const named = props.name ?? this.node.id;
    const name = isLiteral(named) ? textProblem(`${named}-1`) : undefined;
    if (name) findings.error(`name ${name}, with the -1 that is added.`);
    const description =
      props.description !== undefined && isLiteral(props.description) ? textProblem(props.description) : undefined;
    if (description) findings.error(`description ${description}.`);
    findings.error(...tagProblems(props.tags));
  }
}

/** A customer gateway of which a stack may say itself what its address was. */
class CustomerGateway extends VpnCustomerGateway {
  /** In place of what we say: Terraform takes one. */
  override moveFromId(id: string): void {
    this.node.tryRemoveChild(Moved.ID);
    super.moveFromId(id);
  }
}

/** Checks an egress IP that is text. */
export function checkEgressIp(what: string, address: string, example: string, findings: Findings): void {
  findings.address(what, address, example);
  const problem = egressIpProblem(what, address);
  if (problem) findings.error(problem);
}

function lifecycleOf(
  { ignoreChanges, egressIps }: CustomerGatewayPairProps,
  index: number,
): TerraformResourceLifecycle | undefined {
  const precondition = egressIpPreconditions(egressIps, index);
  if (ignoreChanges === undefined && precondition.length === 0) return undefined;
  return { ignoreChanges, ...(precondition.length > 0 && { precondition }) };
}

const SHAPE: Shape<CustomerGatewayPairProps> = {
  ...CLOUD_SHAPE,
  egressIps: list(text("198.51.100.198"), 'a list of one or two addresses, for example ["198.51.100.198"]'),
  asn: optional(number),
  name: optional(text("headquarters")),
  description: optional(text("headquarters")),
  ignoreChanges,
};

const EXISTING_SHAPE: Shape<CustomerGatewayPairAttributes> = {
  activeCustomerGatewayId: text("cgw-…"),
  activeEgressIp: text("198.51.100.198"),
  standbyCustomerGatewayId: optional(text("cgw-…")),
  standbyEgressIp: optional(text("203.0.113.181")),
  asn: optional(number),
};

/** Customer gateways, new or existing, as another construct's option. */
export function customerGatewaysKind(scope: Construct): Kind<ICustomerGatewayPair> {
  return having<ICustomerGatewayPair>(
    "a CustomerGatewayPair",
    ["activeCustomerGatewayId", "standbyCustomerGatewayId", "activeEgressIp", "standbyEgressIp", "resources"],
    () => new ExistingCustomerGatewayPair(scope, "missing-customer-gateways", standInOf(EXISTING_SHAPE)),
  );
}

class ExistingCustomerGatewayPair extends Construct implements ICustomerGatewayPair {
  readonly resources: readonly VpnCustomerGateway[] = [];
  readonly activeCustomerGatewayId: string;
  readonly standbyCustomerGatewayId: string;
  readonly activeEgressIp: string;
  readonly standbyEgressIp: string;
  readonly asn?: number;

  constructor(scope: Construct, id: string, given: CustomerGatewayPairAttributes) {
    super(inStack(scope, id, "CustomerGatewayPair"), id);
    const guarded = guard(EXISTING_SHAPE, given);
    const attributes = guarded.props;
    this.activeCustomerGatewayId = attributes.activeCustomerGatewayId;
    this.standbyCustomerGatewayId = attributes.standbyCustomerGatewayId ?? attributes.activeCustomerGatewayId;
    this.activeEgressIp = attributes.activeEgressIp;
    this.standbyEgressIp = attributes.standbyEgressIp ?? attributes.activeEgressIp;
    this.asn = attributes.asn;
    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      const ids = [
        idProblem("activeCustomerGatewayId", attributes.activeCustomerGatewayId, "cgw-"),
        idProblem("standbyCustomerGatewayId", attributes.standbyCustomerGatewayId, "cgw-"),
      ];
      findings.error(...ids.filter((problem) => problem !== undefined));
      checkAsn(attributes.asn, findings);
      checkEgressIp("activeEgressIp", attributes.activeEgressIp, "198.51.100.198", findings);
      if (attributes.standbyEgressIp === undefined) return;
      checkEgressIp("standbyEgressIp", attributes.standbyEgressIp, "203.0.113.181", findings);
    });
  }
}
