// DualTunnelVpn: one site in one construct, the VPN gateway to the box, with the defaults that we would choose.
import { Construct } from "constructs";
import { CustomerGatewayPair, customerGatewaysKind, ICustomerGatewayPair } from "./customer-gateway-pair";
import {
  DualTunnelVpnGateway,
  gatewayKind,
  IDualTunnelVpnGateway,
  NEW_GATEWAY,
  NewGatewayOptions,
} from "./dual-tunnel-vpn-gateway";
import { identityOf } from "./expressions";
import { Findings } from "./findings";
import {
  bag,
  either,
  guard,
  inStack,
  isStandIn,
  list,
  number,
  optional,
  pick,
  Shape,
  standInOf,
  tell,
  text,
} from "./guard";
import { LAN, LanOptions, plainAddress, VIRTUAL_GATEWAY } from "./host/pair";
import { SSH, SshOptions } from "./host/ssh";
import { UPLINK_SHAPE, UplinkOptions, UPLINKS_WANTED } from "./host/uplinks";
import { CONNECTION_SHAPE, IpsecDualConnection, IpsecDualConnectionOptions } from "./ipsec-dual-connection";
import { RoutingMode } from "./ipsec/routing";
import { nameCustomerGateways, terraformNames } from "./names";
import { HOST_SHAPE, StrongswanHost, StrongswanHostOptions } from "./strongswan-host";
import { isLiteral } from "./structural";

/** An uplink with the public address that the cloud sees for it. */
export interface SiteUplinkOptions extends UplinkOptions {
  /** The public address that the cloud sees for this uplink: the NAT's, or the interface's own. */
  readonly egressIp: string;
}

/** One of two boxes of a site. */
export interface SiteBoxOptions {
  /** How Terraform reaches this box. */
  readonly ssh: SshOptions;
  /** This box's uplink, by which its tunnel leaves. */
  readonly uplink: SiteUplinkOptions;
  /** This box's interface towards the data center's hosts. */
  readonly lan: LanOptions;
}

/** What a `DualTunnelVpn` is made from, all named after its `name`: one box by `ssh` and `uplinks`, or two by `boxes`. */
export interface DualTunnelVpnProps extends IpsecDualConnectionOptions, Omit<StrongswanHostOptions, "ssh"> {
  /** A VPN gateway that exists or that another site made, or what a new one is made from. */
  readonly gateway: IDualTunnelVpnGateway | NewGatewayOptions;
  /**
   * How Terraform reaches the site's one box.
   * @default - none: there are `boxes`
   */
  readonly ssh?: SshOptions;
  /**
   * The one box's uplinks: one for both tunnels, or two, the active tunnel's first.
   * @default - none: there are `boxes`
   */
  readonly uplinks?: readonly SiteUplinkOptions[];
  /**
   * Two boxes, one for each tunnel, the active tunnel's first: with one of them gone the site goes on by the other one.
   * @default - none: there is one box, with `ssh` and `uplinks`
   */
  readonly boxes?: readonly SiteBoxOptions[];
  /**
   * The address to which the data center's hosts send what is for the VPC: in the network of both boxes' `lan`, of no machine.
   * One of the two boxes has it.
   * @default - none: there is one box, and hosts send to an address of its own
   */
  readonly virtualGateway?: string;
  /**
   * The data center's AS number, which BGP needs: 1 to 4294967295 and not 45104; best a private one (64512 to 65534). Given from
   * the beginning, BGP can be switched on later in place; a changed one replaces the customer gateways, and with them the
   * connection and its routes, which is an outage of minutes.
   * @default - that of `customerGateways`, else none: BGP is not possible
   */
  readonly asn?: number;
  /**
   * Customer gateways that exist or that another connection of this site made: Alibaba Cloud refuses a second customer
   * gateway with the same address.
   * @default - made from the uplinks' egress IPs
   */
  readonly customerGateways?: ICustomerGatewayPair;
}

/** A data center joined to a VPC: VPN gateway, customer gateways, IPsec connection with routes, and the box. */
export class DualTunnelVpn extends Construct {
  /** The VPN gateway, new or existing: its id, its two IPsec addresses. */
  readonly gateway: IDualTunnelVpnGateway;
  /** What the cloud knows of the data center's egress IPs. */
  readonly customerGateways: ICustomerGatewayPair;
  /** The IPsec connection with its two tunnels and the cloud's routes. */
  readonly connection: IpsecDualConnection;
  /** The box's side: what is installed there and when it runs. Of two boxes the active tunnel's. */
  readonly host: StrongswanHost;
  /** The same for each box, the active tunnel's first. */
  readonly hosts: readonly StrongswanHost[];

  constructor(scope: Construct, id: string, given: DualTunnelVpnProps) {
    super(inStack(scope, id, "DualTunnelVpn"), id);
    const inPair = hasTwoBoxes(given);
    const guarded = guard(inPair ? pairShape(this) : shapeOf(this), given);
    const { props } = guarded;
    const uplinks = uplinksOf(props);
    const { name, tags, provider } = props;
    const names = terraformNames(name);
    nameCustomerGateways(this, names.customerGateway);

    if ("vpc" in props.gateway) {
      const autoPropagate = props.gateway.autoPropagate ?? (needsPropagation(props.routing) ? true : undefined);
      const options = { ...props.gateway, autoPropagate, name, tags, provider };
      const gateway = new DualTunnelVpnGateway(this, "gateway", options);
      gateway.nameAfter(names);
      this.gateway = gateway;
    } else {
      this.gateway = props.gateway;
    }

    this.customerGateways = props.customerGateways ?? this.newCustomerGateways(props, uplinks);

    this.connection = new IpsecDualConnection(this, "connection", {
      ...pick(CONNECTION_SHAPE, props),
      gateway: this.gateway,
      customerGateways: this.customerGateways,
    });

    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      checkBoxes(props, findings);
      this.checkEgressIps(uplinks, inPair, findings);
      this.checkAsn(props, findings);
    });

    this.hosts = inPair ? this.newPair(props) : [this.newHost(props)];
    this.host = this.hosts[0];
  }

  private newCustomerGateways(
    { name, boxes, asn, tags, provider }: DualTunnelVpnProps,
    uplinks: readonly SiteUplinkOptions[],
  ): CustomerGatewayPair {
    const each = uplinks.map((uplink) => uplink.egressIp);
    // Two boxes may be behind one address, which a variable tells by another token each time.
    const known = each.map((egressIp) => identityOf(this, egressIp));
    const egressIps = boxes === undefined ? each : each.filter((_, index) => known.indexOf(known[index]) === index);
    return new CustomerGatewayPair(this, "customer-gateways", { name, egressIps, asn, tags, provider });
  }

  // What a shape asks for is there, as a stand-in where it was missing.
  private newHost(props: DualTunnelVpnProps): StrongswanHost {
    return new StrongswanHost(this, "box", {
      ...pick(HOST_SHAPE, { ...props, ssh: props.ssh! }),
      connection: this.connection,
      uplinks: props.uplinks!,
    });
  }

  private newPair(props: DualTunnelVpnProps): StrongswanHost[] {
    const boxes = twoOf(props);
    return boxes.map(({ ssh, uplink, lan }, index) => {
      const other = boxes[1 - index].lan.address;
      const number = index === 0 ? 1 : 2;
      return new StrongswanHost(this, `box-${number}`, {
        ...pick(HOST_SHAPE, { ...props, ssh }),
        connection: this.connection,
        uplinks: [uplink],
        pair: { number, lan, otherLanAddress: plainAddress(other), virtualGateway: props.virtualGateway! },
      });
    });
  }

  private checkEgressIps(uplinks: readonly SiteUplinkOptions[], inPair: boolean, findings: Findings): void {
    const { activeEgressIp, standbyEgressIp } = this.customerGateways;
    const expected = [activeEgressIp, standbyEgressIp];
    uplinks.forEach(({ egressIp }, index) => {
      if (!isLiteral(egressIp) || !isLiteral(expected[index]) || egressIp === expected[index]) return;
      const [where, what] = inPair ? [`boxes[${index}].uplink`, "boxes"] : [`uplinks[${index}]`, "uplinks"];
      findings.error(
        `${where}.egressIp ${egressIp} is not the customer gateway's, ${expected[index]}; give the ${what} in the customer gateways' order.`,
      );
    });
  }

  /** Those made here have it from here. */
  private checkAsn({ asn, customerGateways }: DualTunnelVpnProps, findings: Findings): void {
    if (asn === undefined || customerGateways === undefined || isStandIn(customerGateways)) return;
    if (asn === customerGateways.asn) return;
    const theirs = customerGateways.asn === undefined ? "which have none" : `which is ${customerGateways.asn}`;
    findings.error(`asn ${asn} is not that of customerGateways, ${theirs}; leave it out, and give it to them.`);
  }
}

function needsPropagation(routing: DualTunnelVpnProps["routing"]): boolean {
  return typeof routing === "object" && routing.mode === RoutingMode.BGP;
}

/** The two boxes of a site; more are complained about, and so is one. */
function twoOf({ boxes = [] }: DualTunnelVpnProps): readonly SiteBoxOptions[] {
  const [first = standInOf(BOX_SHAPE), second = standInOf(BOX_SHAPE)] = boxes;
  return [first, second];
}

/** The uplinks of a site: of its one box, or those of its two in their order. */
function uplinksOf(props: DualTunnelVpnProps): readonly SiteUplinkOptions[] {
  return props.boxes === undefined ? (props.uplinks ?? []) : twoOf(props).map(({ uplink }) => uplink);
}

/** Whether the options, which a caller without a type checker gives too, are those of a site with two boxes. */
function hasTwoBoxes(given: Partial<DualTunnelVpnProps> | null | undefined): boolean {
  return given?.boxes !== undefined || given?.virtualGateway !== undefined;
}

/** Checks that a site has one box or two, and not something of both. */
function checkBoxes({ boxes, ssh, uplinks }: DualTunnelVpnProps, findings: Findings): void {
  if (boxes === undefined) return;
  const ofOne = Object.entries({ ssh, uplinks }).flatMap(([option, value]) => (value === undefined ? [] : [option]));
  if (ofOne.length > 0) {
    findings.error(
      `${ofOne.join(" and ")} of one box and the boxes or the virtualGateway of two are given; give ssh and uplinks, or boxes and virtualGateway.`,
    );
  }
  if (isStandIn(boxes)) return;
  if (boxes.length === 2) return;
  findings.error(
    `boxes has ${boxes.length} ${boxes.length === 1 ? "entry" : "entries"}; give two, the active tunnel's first, or one box by ssh and uplinks.`,
  );
}

const SITE_UPLINK = bag<SiteUplinkOptions>(
  { ...UPLINK_SHAPE, egressIp: text("198.51.100.198") },
  "an object with address, gateway and egressIp",
);

const BOX_SHAPE: Shape<SiteBoxOptions> = { ssh: SSH, uplink: SITE_UPLINK, lan: LAN };

const BOXES = list(bag(BOX_SHAPE, "an object with ssh, uplink and lan"), "a list of two boxes", "the two boxes");

/** Of a site with one box. */
const shapeOf = (scope: Construct): Shape<DualTunnelVpnProps> => ({
  gateway: either(gatewayKind(scope), NEW_GATEWAY, "a DualTunnelVpnGateway, or an object with vpc and vswitches"),
  uplinks: list(SITE_UPLINK, UPLINKS_WANTED),
  boxes: optional(BOXES),
  virtualGateway: optional(VIRTUAL_GATEWAY),
  asn: optional(number),
  customerGateways: optional(customerGatewaysKind(scope)),
  ...HOST_SHAPE,
  ...CONNECTION_SHAPE,
});

/** Of a site with two. */
const pairShape = (scope: Construct): Shape<DualTunnelVpnProps> => {
  const shape = shapeOf(scope);
  return {
    ...shape,
    ssh: optional(SSH),
    uplinks: optional(shape.uplinks),
    boxes: BOXES,
    virtualGateway: VIRTUAL_GATEWAY,
  };
};
