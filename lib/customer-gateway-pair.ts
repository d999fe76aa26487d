// CustomerGatewayPair: what Alibaba Cloud is told about the data center's public addresses,
// one customer gateway for each egress IP.
import { VpnCustomerGateway } from "@cdktf/provider-alicloud/lib/vpn-customer-gateway";
import { TerraformProvider } from "cdktf";
import { Construct, IConstruct } from "constructs";

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
}

/** What a `CustomerGatewayPair` is made from. */
export interface CustomerGatewayPairProps {
  /** The public addresses that the cloud sees: the active tunnel's first; one alone serves both tunnels. */
  readonly egressIps: readonly [string] | readonly [string, string];
  /**
   * The customer gateways are named `<name>-1` and `<name>-2`.
   * @default - the construct's id
   */
  readonly name?: string;
  /** @default - none */
  readonly description?: string;
  /** @default - none */
  readonly tags?: Readonly<Record<string, string>>;
  /** @default - the stack's alicloud provider without an alias */
  readonly provider?: TerraformProvider;
}

/** The facts of customer gateways that exist. */
export interface CustomerGatewayPairAttributes {
  readonly activeCustomerGatewayId: string;
  readonly activeEgressIp: string;
  /** @default - the active one */
  readonly standbyCustomerGatewayId?: string;
  /** @default - the active one */
  readonly standbyEgressIp?: string;
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

  constructor(scope: Construct, id: string, props: CustomerGatewayPairProps) {
    super(scope, id);
    this.activeEgressIp = props.egressIps[0];
    this.standbyEgressIp = props.egressIps[1] ?? props.egressIps[0];
    this.resources = props.egressIps.map(
      (ipAddress, index) =>
        new VpnCustomerGateway(this, String(index + 1), {
          provider: props.provider,
          customerGatewayName: `${props.name ?? id}-${index + 1}`,
          description: props.description,
          ipAddress,
          tags: props.tags,
        }),
    );
  }

  get activeCustomerGatewayId(): string {
    return this.resources[0].id;
  }

  get standbyCustomerGatewayId(): string {
    return (this.resources[1] ?? this.resources[0]).id;
  }
}

class ExistingCustomerGatewayPair extends Construct implements ICustomerGatewayPair {
  readonly activeCustomerGatewayId: string;
  readonly standbyCustomerGatewayId: string;
  readonly activeEgressIp: string;
  readonly standbyEgressIp: string;

  constructor(scope: Construct, id: string, attributes: CustomerGatewayPairAttributes) {
    super(scope, id);
    this.activeCustomerGatewayId = attributes.activeCustomerGatewayId;
    this.standbyCustomerGatewayId = attributes.standbyCustomerGatewayId ?? attributes.activeCustomerGatewayId;
    this.activeEgressIp = attributes.activeEgressIp;
    this.standbyEgressIp = attributes.standbyEgressIp ?? attributes.activeEgressIp;
  }
}
