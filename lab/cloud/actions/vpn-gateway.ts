// VPN gateways: always of the dual-tunnel kind, with two vSwitches and two IPsec addresses.
import {
  checkedText,
  find,
  isListed,
  page,
  requiredGateway,
  requiredRegion,
  tagList,
  type Action,
  type Answer,
  type Context,
} from "../context";
import { refuse, illegal, missing, noVSwitch } from "../errors";
import type { VpnGateway, VSwitch } from "../store";
import { vpnZones } from "../zones";

/** Mbit/s that are sold, on either of Alibaba's sites. */
const BANDWIDTHS = [5, 10, 20, 50, 100, 200, 500, 1000];
const PERIODS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36];

export const vpnGatewayActions: Record<string, Action> = {
  CreateVpnGateway(context) {
    const { parameters, store, work } = context;
    const regionId = requiredRegion(context);
    const vpc = find(context, store.vpcs, parameters.required("VpcId"));
    if (vpc === undefined) throw refuse("InvalidVpcId.NotFound", "Specified VPC does not exist.");
    const bandwidth = parameters.integer("Bandwidth", 1, 1000);
    if (bandwidth === undefined) throw missing("Bandwidth");
    if (!BANDWIDTHS.includes(bandwidth)) throw illegal("Bandwidth", `it is one of ${BANDWIDTHS.join(", ")}`);
    const networkType = parameters.choice("NetworkType", ["public", "private"]) ?? "public";
    if (parameters.text("VpnType") === "NationalStandard") {
      throw refuse("OperationUnsupported.VpnType", "This lab has no VPN gateways of the type NationalStandard.");
    }
    parameters.choice("VpnType", ["Normal"]);
    const chargeType = parameters.choice("InstanceChargeType", ["PREPAY", "POSTPAY"]) ?? "POSTPAY";
    const period = parameters.integer("Period", 1, 36);
    if (period !== undefined && !PERIODS.includes(period))
      throw illegal("Period", `it is one of ${PERIODS.join(", ")}`);
    if (chargeType === "PREPAY" && period === undefined) throw missing("Period");
    const name = checkedName(context);
    const sslConnections = parameters.integer("SslConnections", 5, 1000) ?? 5;
    const ipsecEnabled = parameters.flag("EnableIpsec") ?? true;
    const sslEnabled = parameters.flag("EnableSsl") ?? false;
    if (!ipsecEnabled && !sslEnabled) {
      throw illegal("EnableIpsec", "a VPN gateway has IPsec-VPN, SSL-VPN or both");
    }

    const first = find(context, store.vSwitches, parameters.text("VSwitchId"));
    const second = find(context, store.vSwitches, parameters.text("DisasterRecoveryVSwitchId"));
    if (first?.vpcId !== vpc.id || second?.vpcId !== vpc.id) throw noVSwitch();
    checkZones(regionId, first, second);

    const resource = store.newResource("vpn", regionId, parameters.text("ResourceGroupId"));
    const gateway: VpnGateway = {
      ...resource,
      vpcId: vpc.id,
      vSwitchId: first.id,
      disasterRecoveryVSwitchId: second.id,
      networkType,
      chargeType: chargeType === "PREPAY" ? "Prepay" : "PostpayByFlow",
      bandwidth,
      ipsecEnabled,
      sslEnabled,
      sslConnections,
      ipsecAddresses: store.takeIpsecAddresses(),
      name: name ?? resource.id,
      description: "",
      autoPropagate: false,
      status: "init",
    };
    store.vpnGateways.set(gateway.id, gateway);
    work.provision(gateway);
    return { VpnGatewayId: gateway.id, Name: gateway.name, OrderId: orderId(gateway) };
  },

  DescribeVpnGateway(context) {
    return describeGateway(context, requiredGateway(context));
  },

  DescribeVpnGateways(context) {
    const { parameters, store } = context;
    const wanted = {
      id: parameters.text("VpnGatewayId"),
      vpcId: parameters.text("VpcId"),
      status: parameters.text("Status")?.toLowerCase(),
    };
    const found = [...store.vpnGateways.values()].filter(
      (gateway) =>
        isListed(context, gateway) &&
        Object.entries(wanted).every(
          ([field, value]) => value === undefined || gateway[field as keyof typeof wanted] === value,
        ),
    );
    const { counters, rows } = page(context, found, 10);
    return { ...counters, VpnGateways: { VpnGateway: rows.map((gateway) => describeGateway(context, gateway)) } };
  },

  // A change like any other: refused while another is under way, though the provider does not try this one again.
  ModifyVpnGatewayAttribute(context) {
    const { work } = context;
    const gateway = requiredGateway(context);
    const name = checkedName(context);
    const description = checkedText(context.parameters, "Description", 1, 100);
    const autoPropagate = context.parameters.flag("AutoPropagate");
    work.requireIdle(gateway);
    if (gateway.autoPropagate && autoPropagate === false && hasBgp(context, gateway)) {
      throw refuse(
        "OperationDenied.BgpEnabled",
        "AutoPropagate is switched off once no IPsec connection of the VPN gateway has BGP any more: switch that off first.",
      );
    }
    gateway.autoPropagate = autoPropagate ?? gateway.autoPropagate;
    gateway.name = name ?? gateway.name;
    gateway.description = description ?? gateway.description;
    work.change(gateway);
    return { VpnGatewayId: gateway.id, Name: gateway.name, Description: gateway.description };
  },

  MoveVpnResourceGroup(context) {
    const { parameters, store } = context;
    const resourceGroupId = parameters.required("NewResourceGroupId");
    const id = parameters.required("InstanceId");
    const kind = parameters.required("ResourceType").toUpperCase();
    if (kind === "VPNGATEWAY") {
      const gateway = find(context, store.vpnGateways, id);
      if (gateway === undefined) throw refuse("InvalidInstanceId.NotFound", "The specified instance does not exist.");
      gateway.resourceGroupId = resourceGroupId;
      // What hangs on a gateway is always in the gateway's group.
      for (const connection of store.vpnConnections.values()) {
        if (connection.vpnGatewayId === id) connection.resourceGroupId = resourceGroupId;
      }
    } else if (kind === "CUSTOMERGATEWAY") {
      const gateway = find(context, store.customerGateways, id);
      if (gateway === undefined) throw refuse("InvalidInstanceId.NotFound", "The specified instance does not exist.");
      gateway.resourceGroupId = resourceGroupId;
    } else {
      throw refuse("InvalidResourceType", "The specified ResourceType is not supported.");
    }
    return {};
  },

  DeleteVpnGateway(context) {
    const { store, work } = context;
    const gateway = requiredGateway(context);
    work.requireIdle(gateway);
    if ([...store.vpnConnections.values()].some((connection) => connection.vpnGatewayId === gateway.id)) {
      throw refuse(
        "VpnDependencyViolation.VpnConnection",
        "There are vpn connections on specified vpn gateway not deleted.",
      );
    }
    if (gateway.chargeType === "Prepay") {
      throw refuse(
        "OperationDenied.Prepaid",
        "A VPN gateway that is paid in advance is not deleted before it expires.",
      );
    }
    work.remove(gateway);
    return {};
  },
};

function checkZones(regionId: string, first: VSwitch, second: VSwitch): void {
  const zones = vpnZones(regionId)?.map((zone) => zone.id);
  if (zones === undefined) {
    throw refuse("OperationUnsupported.Region", `${regionId} has no dual-tunnel VPN gateways.`);
  }
  for (const vSwitch of [first, second]) {
    if (!zones.includes(vSwitch.zoneId)) {
      throw refuse(
        "OperationUnsupported.Zone",
        `The zone ${vSwitch.zoneId} has no dual-tunnel VPN gateways; ${zones.join(", ")} have.`,
      );
    }
  }
  // A region of one zone takes two vSwitches in it, or one vSwitch twice.
  if (zones.length > 1 && first.zoneId === second.zoneId) {
    throw illegal(
      "DisasterRecoveryVSwitchId",
      `it is in ${first.zoneId} as VSwitchId is; in a region of several zones the two are in different ones`,
    );
  }
}

function hasBgp({ store }: Context, gateway: VpnGateway): boolean {
  return [...store.vpnConnections.values()].some(
    (connection) => connection.vpnGatewayId === gateway.id && connection.enableTunnelsBgp,
  );
}

function describeGateway(context: Context, gateway: VpnGateway): Answer {
  return {
    VpnGatewayId: gateway.id,
    VpcId: gateway.vpcId,
    VSwitchId: gateway.vSwitchId,
    DisasterRecoveryVSwitchId: gateway.disasterRecoveryVSwitchId,
    Name: gateway.name,
    Description: gateway.description,
    AutoPropagate: gateway.autoPropagate,
    NetworkType: gateway.networkType,
    ChargeType: gateway.chargeType,
    // A string with its unit: the provider reads a number as bandwidth 0 and replaces the gateway.
    Spec: `${gateway.bandwidth}M`,
    VpnType: "Normal",
    EnableBgp: hasBgp(context, gateway),
    IpsecVpn: gateway.ipsecEnabled ? "enable" : "disable",
    SslVpn: gateway.sslEnabled ? "enable" : "disable",
    SslMaxConnections: gateway.sslConnections,
    InternetIp: gateway.ipsecAddresses[0],
    DisasterRecoveryInternetIp: gateway.ipsecAddresses[1],
    ResourceGroupId: gateway.resourceGroupId,
    CreateTime: gateway.createTime,
    Status: gateway.status,
    BusinessStatus: "Normal",
    EndTime: 0,
    // What this gateway can do, whether or not it does.
    Tag: JSON.stringify({ VpnEnableBgp: "true" }),
    Tags: tagList(gateway.tags),
  };
}

function checkedName(context: Context): string | undefined {
  const name = context.parameters.text("Name");
  if (name !== undefined && !/^[A-Za-z][A-Za-z0-9._-]{1,99}$/.test(name)) {
    throw refuse(
      "InvalidName",
      "The name is not valid: it has 2 to 100 letters, digits, periods, underscores and hyphens and starts with a letter.",
    );
  }
  return name;
}

/** Orders are numbers that a JSON number can hold. */
function orderId(gateway: VpnGateway): number {
  return 200_000_000_000_000 + (gateway.createTime % 10_000_000_000);
}
