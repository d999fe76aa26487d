// DualTunnelVpnGateway: the VPN gateway in a VPC, with its two vSwitches and its two IPsec addresses.
// An existing gateway stands in for a new one by `fromDualTunnelVpnGatewayAttributes`.
import { VpnGateway } from "@cdktf/provider-alicloud/lib/vpn-gateway";
import { dependable, TerraformResourceLifecycle, TerraformStack } from "cdktf";
import { Construct, IConstruct } from "constructs";
import { checkBandwidth, DEFAULT_BANDWIDTH, GatewayNetworkType } from "./cloud/bandwidth";
import { ChangeQueue } from "./cloud/change-queue";
import { Charge, CHARGE, checkCharge } from "./cloud/charge";
import { CLOUD_SHAPE, CloudOptions } from "./cloud/options";
import { checkProvider, noteProvider } from "./cloud/providers";
import { gatewayNameProblem, idProblem, tagProblems, textProblem } from "./cloud/rules";
import { checkVswitches, twoVswitches, VPC, VSWITCHES } from "./cloud/vswitches";
import { zonePrecondition, zonesAtPlan } from "./cloud/zones-at-plan";
import { Findings } from "./findings";
import {
  bag,
  flag,
  guard,
  having,
  ignoreChanges,
  inStack,
  Kind,
  listOrToken,
  number,
  oneOf,
  optional,
  Shape,
  standInOf,
  tell,
  text,
} from "./guard";
import { SITE_BOUNDS } from "./host/site-format";
import { secondVswitchName, TerraformNames } from "./names";
import { TerraformData } from "./terraform-data";
import { isLiteral, literal, VpcRef, VswitchRef } from "./structural";

/** A VPN gateway, made here or elsewhere. */
export interface IDualTunnelVpnGateway extends IConstruct {
  /** The gateway's id, `vpn-…`. */
  readonly vpnGatewayId: string;
  /** Public address of the gateway's end of the active tunnel (IPsec address 1). */
  readonly activeIpsecAddress: string;
  /** Public address of the gateway's end of the standby tunnel (IPsec address 2). */
  readonly standbyIpsecAddress: string;
  /** Whether the IPsec addresses are public. */
  readonly networkType: GatewayNetworkType;
  /** CIDR blocks of the gateway's VPC, as far as they are known. */
  readonly vpcCidrs: readonly string[];
  /**
   * Whether the gateway and the VPC's system route table tell each other their routes, which BGP needs.
   * @default false
   */
  readonly autoPropagate?: boolean;
  /**
   * Mbit/s, for a box to be told at its apply where it will not keep up.
   * @default - not known: boxes are told nothing
   */
  readonly bandwidth?: number;
  /** The order of changes to this gateway. */
  readonly changes: ChangeQueue;
  /**
   * The `alicloud_vpn_gateway` underneath.
   * @default - none: the gateway exists
   */
  readonly resource?: VpnGateway;
}

/** What a VPN gateway is made from beside its name: what a site passes on to the one that it makes. */
export interface NewGatewayOptions {
  /** The VPC to join. */
  readonly vpc: VpcRef;
  /**
   * Two vSwitches of that VPC in two zones; the first is the active tunnel's. Regions with one zone may use it twice.
   * Another id of either replaces the gateway.
   */
  readonly vswitches: readonly VswitchRef[];
  /**
   * Mbit/s: 5, 10, 20, 50, 100, 200, 500 or 1000 (private gateways: 200 or 1000; the international site does not sell 5, 20 and 50).
   * @default 10 (200 for a private gateway)
   */
  readonly bandwidth?: number;
  /**
   * Whether the tunnels end at public addresses or at addresses of the VPC; a change replaces the gateway.
   * @default GatewayNetworkType.PUBLIC
   */
  readonly networkType?: GatewayNetworkType;
  /**
   * How the gateway is paid for.
   * @default Charge.payAsYouGo()
   */
  readonly charge?: Charge;
  /**
   * The gateway puts the data center's routes into the VPC's system route table, and tells the data center that table's system
   * routes; BGP needs it. Alibaba Cloud switches it off only where no connection of the gateway has BGP: change `routing` in one
   * deploy, and this in the next.
   * @default - false; true for the gateway that a `DualTunnelVpn` with BGP makes
   */
  readonly autoPropagate?: boolean;
  /**
   * Text for the console: 1 to 100 characters (CreateVpnGateway, `Description`).
   * @default - none
   */
  readonly description?: string;
  /**
   * Resource group of the gateway, `rg-…`.
   * @default - the account's default resource group
   */
  readonly resourceGroupId?: string;
  /**
   * Ask Alibaba Cloud at plan whether the vSwitches' zones have VPN gateways (data source `alicloud_vpn_gateway_zones`).
   * @default true
   */
  readonly checkZones?: boolean;
  /**
   * Refuse every plan that would destroy the gateway (`prevent_destroy`).
   * @default false
   */
  readonly protect?: boolean;
  /**
   * Attributes whose drift Terraform is to ignore, for example `["tags"]`.
   * @default - none
   */
  readonly ignoreChanges?: TerraformResourceLifecycle["ignoreChanges"];
}

/** What a `DualTunnelVpnGateway` is made from. */
export interface DualTunnelVpnGatewayProps extends NewGatewayOptions, CloudOptions {
  /**
   * The gateway's name: 2 to 100 letters, digits and . _ -, first a letter.
   * @default - the construct's id
   */
  readonly name?: string;
}

/** The facts of a VPN gateway that exists. */
export interface DualTunnelVpnGatewayAttributes {
  /** `vpn-…` */
  readonly vpnGatewayId: string;
  /** IPsec address 1. */
  readonly activeIpsecAddress: string;
  /** IPsec address 2. */
  readonly standbyIpsecAddress: string;
  /**
   * CIDR blocks of the gateway's VPC.
   * @default - none: connections have to name theirs
   */
  readonly vpcCidrs?: readonly string[];
  /**
   * Whether its tunnels end at public addresses or at addresses of the VPC.
   * @default GatewayNetworkType.PUBLIC
   */
  readonly networkType?: GatewayNetworkType;
  /**
   * Whether it has the automatic propagation of BGP routes, which BGP needs.
   * @default false
   */
  readonly autoPropagate?: boolean;
  /**
   * Mbit/s, for a box to be told at its apply where it will not keep up: a whole number from 1 to 1000000.
   * @default - not known: boxes are told nothing
   */
  readonly bandwidth?: number;
}

/** The VPN gateway of a VPC: two IPsec addresses, in two zones where the region has two. */
export class DualTunnelVpnGateway extends Construct implements IDualTunnelVpnGateway {
  /**
   * A VPN gateway that exists, for the other constructs to use.
   *
   * @param scope where the construct lives
   * @param id the construct's id
   * @param attributes the gateway's facts
   */
  static fromDualTunnelVpnGatewayAttributes(
    scope: Construct,
    id: string,
    attributes: DualTunnelVpnGatewayAttributes,
  ): IDualTunnelVpnGateway {
    return new ExistingDualTunnelVpnGateway(scope, id, attributes);
  }

  /** The `alicloud_vpn_gateway` underneath. */
  readonly resource: VpnGateway;
  readonly networkType: GatewayNetworkType;
  readonly vpcCidrs: readonly string[];
  readonly autoPropagate: boolean;
  readonly bandwidth?: number;
  readonly changes = new ChangeQueue();
  private readonly secondVswitch?: TerraformData;
  // Each access to an attribute of a resource makes a new token, with a stack trace: once is enough.
  private id?: string;
  private addresses?: readonly [string, string];

  constructor(scope: Construct, id: string, given: DualTunnelVpnGatewayProps) {
    super(inStack(scope, id, "DualTunnelVpnGateway"), id);
    const guarded = guard(SHAPE, given);
    const { props } = guarded;
    const [active, standby] = twoVswitches(props.vswitches);
    this.networkType = props.networkType ?? GatewayNetworkType.PUBLIC;
    this.autoPropagate = props.autoPropagate ?? false;
    const charge = props.charge ?? Charge.payAsYouGo();
    this.vpcCidrs = [literal(props.vpc, "cidrBlock") ?? props.vpc.cidrBlock].filter((cidr) => cidr !== undefined);
    // A changed second vSwitch replaces the gateway, as the first one does: the provider changes neither in place.
    this.secondVswitch = ignores(props.ignoreChanges, "disaster_recovery_vswitch_id")
      ? undefined
      : new TerraformData(this, "second-vswitch", { input: { id: standby.id } });
    const bandwidth = props.bandwidth ?? DEFAULT_BANDWIDTH[this.networkType];
    // One that is changed elsewhere is another than this.
    const known = isLiteral(bandwidth) && !ignores(props.ignoreChanges, "bandwidth");
    this.bandwidth = known ? bandwidth : undefined;
    this.resource = new VpnGateway(this, "Default", {
      provider: props.provider,
      lifecycle: this.lifecycle(props, bandwidth),
      vpnGatewayName: props.name ?? id,
      description: props.description,
      vpcId: props.vpc.id,
      vswitchId: active.id,
      disasterRecoveryVswitchId: standby.id,
      vpnType: "Normal",
      networkType: this.networkType,
      bandwidth,
      enableIpsec: true,
      enableSsl: false,
      paymentType: charge.paymentType,
      period: charge.months,
      autoPay: charge.autoPay,
      autoPropagate: props.autoPropagate,
      resourceGroupId: props.resourceGroupId,
      tags: props.tags,
    });
    this.secondVswitch?.overrideLogicalId(secondVswitchName(this.resource.cdktfStack.getLogicalId(this.resource)));
    this.changes.start(this.resource);
    noteProvider(this, props.provider);
    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      this.check(props, findings);
    });
  }

  get vpnGatewayId(): string {
    return (this.id ??= this.resource.id);
  }

  get activeIpsecAddress(): string {
    return this.ipsecAddresses[0];
  }

  get standbyIpsecAddress(): string {
    return this.ipsecAddresses[1];
  }

  private get ipsecAddresses(): readonly [string, string] {
    return (this.addresses ??= [this.resource.internetIp, this.resource.disasterRecoveryInternetIp]);
  }

  /**
   * Names the resources after a site, which has one gateway of its own.
   *
   * @internal
   */
  nameAfter({ gateway, secondVswitch }: TerraformNames): void {
    this.resource.overrideLogicalId(gateway);
    this.secondVswitch?.overrideLogicalId(secondVswitch);
  }

  private lifecycle(props: DualTunnelVpnGatewayProps, bandwidth: number): TerraformResourceLifecycle | undefined {
    const zoned = props.vswitches.map((vswitch) => literal(vswitch, "zoneId") ?? vswitch.zoneId);
    const ask = props.checkZones !== false && isLiteral(bandwidth) && zoned.some((zone) => zone !== undefined);
    const zones = ask ? zonesAtPlan(this, bandwidth, props.provider) : undefined;
    return {
      preventDestroy: props.protect || undefined,
      ignoreChanges: props.ignoreChanges,
      replaceTriggeredBy: this.secondVswitch && [dependable(this.secondVswitch)],
      precondition:
        zones &&
        zoned.flatMap((zone, index) =>
          zone === undefined ? [] : [zonePrecondition(zones, index === 0 ? 1 : 2, zone)],
        ),
    };
  }

  private check(props: DualTunnelVpnGatewayProps, findings: Findings): void {
    const named = props.name ?? this.node.id;
    const name = isLiteral(named) ? gatewayNameProblem(named) : undefined;
    if (name) findings.error(`name "${named}" ${name}.`);
    const description =
      props.description !== undefined && isLiteral(props.description) ? textProblem(props.description) : undefined;
    if (description) findings.error(`description ${description}.`);
    findings.error(...tagProblems(props.tags));

    checkBandwidth(props.bandwidth, this.networkType, findings);
    checkCharge(props.charge, findings);
    for (const problem of [
      idProblem("vpc.id", this.resource.vpcIdInput, "vpc-"),
      idProblem("vswitches[0].id", this.resource.vswitchIdInput, "vsw-"),
      idProblem("vswitches[1].id", this.resource.disasterRecoveryVswitchIdInput, "vsw-"),
      idProblem("resourceGroupId", props.resourceGroupId, "rg-"),
    ]) {
      if (problem) findings.error(problem);
    }
    checkProvider(this, props.provider, findings);
    const ids = [this.resource.vswitchIdInput, this.resource.disasterRecoveryVswitchIdInput] as const;
    checkVswitches(this, props.vswitches, ids, props.provider, findings);
  }
}

/** Whether Terraform leaves an attribute as it is, whatever the code says. */
function ignores(ignored: TerraformResourceLifecycle["ignoreChanges"], attribute: string): boolean {
  return ignored === "all" || ignored?.includes(attribute) === true;
}

const NEW_GATEWAY_SHAPE: Shape<NewGatewayOptions> = {
  vpc: VPC,
  vswitches: VSWITCHES,
  bandwidth: optional(number),
  networkType: optional(oneOf(GatewayNetworkType)),
  charge: optional(CHARGE),
  autoPropagate: optional(flag),
  resourceGroupId: optional(text("rg-…")),
  description: optional(text("headquarters")),
  checkZones: optional(flag),
  protect: optional(flag),
  ignoreChanges,
};

/** What a new gateway is made from, as a construct's option. */
export const NEW_GATEWAY = bag(NEW_GATEWAY_SHAPE, "an object with vpc and vswitches");

const SHAPE: Shape<DualTunnelVpnGatewayProps> = {
  ...NEW_GATEWAY_SHAPE,
  ...CLOUD_SHAPE,
  name: optional(text("headquarters")),
};

const EXISTING_SHAPE: Shape<DualTunnelVpnGatewayAttributes> = {
  vpnGatewayId: text("vpn-…"),
  activeIpsecAddress: text("192.0.2.152"),
  standbyIpsecAddress: text("192.0.2.10"),
  vpcCidrs: optional(listOrToken(text("192.168.0.0/16"), 'a list of blocks, for example ["192.168.0.0/16"]')),
  networkType: optional(oneOf(GatewayNetworkType)),
  autoPropagate: optional(flag),
  bandwidth: optional(number),
};

/** A gateway, new or existing, as another construct's option. */
export function gatewayKind(scope: Construct): Kind<IDualTunnelVpnGateway> {
  return having<IDualTunnelVpnGateway>(
    "a DualTunnelVpnGateway",
    ["vpnGatewayId", "activeIpsecAddress", "standbyIpsecAddress", "networkType", "vpcCidrs", "changes"],
    () =>
      new ExistingDualTunnelVpnGateway(scope, "missing-gateway", {
        ...standInOf(EXISTING_SHAPE),
        vpcCidrs: [standInOf(EXISTING_SHAPE).vpnGatewayId],
      }),
  );
}

class ExistingDualTunnelVpnGateway extends Construct implements IDualTunnelVpnGateway {
  readonly networkType: GatewayNetworkType;
  readonly vpnGatewayId: string;
  readonly activeIpsecAddress: string;
  readonly standbyIpsecAddress: string;
  readonly vpcCidrs: readonly string[];
  readonly autoPropagate: boolean;
  readonly bandwidth?: number;
  readonly changes: ChangeQueue;

  constructor(scope: Construct, id: string, given: DualTunnelVpnGatewayAttributes) {
    super(inStack(scope, id, "DualTunnelVpnGateway"), id);
    const guarded = guard(EXISTING_SHAPE, given);
    const attributes = guarded.props;
    this.vpnGatewayId = attributes.vpnGatewayId;
    this.changes = ChangeQueue.of(TerraformStack.of(this), this.vpnGatewayId);
    this.activeIpsecAddress = attributes.activeIpsecAddress;
    this.standbyIpsecAddress = attributes.standbyIpsecAddress;
    this.vpcCidrs = attributes.vpcCidrs ?? [];
    this.bandwidth = attributes.bandwidth;
    this.networkType = attributes.networkType ?? GatewayNetworkType.PUBLIC;
    this.autoPropagate = attributes.autoPropagate ?? false;
    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      const id = idProblem("vpnGatewayId", this.vpnGatewayId, "vpn-");
      if (id) findings.error(id);
      findings.address("activeIpsecAddress", this.activeIpsecAddress, "192.0.2.152");
      findings.address("standbyIpsecAddress", this.standbyIpsecAddress, "192.0.2.10");
      findings.wholeNumber("bandwidth", this.bandwidth, ...SITE_BOUNDS.bandwidthMbps);
    });
  }
}
