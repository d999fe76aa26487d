// VPCs and vSwitches: as much of them as a VPN gateway needs to stand in.
import ipaddr from "ipaddr.js";
import { regionOfZone } from "../../../lib/cloud/regions";
import {
  checkedText,
  find,
  isListed,
  page,
  requiredRegion,
  tagList,
  type Action,
  type Answer,
  type Context,
} from "../context";
import { ApiError, noVSwitch, refuse } from "../errors";
import { cidrWithin, cidrsOverlap } from "../parameters";
import type { VSwitch, Vpc } from "../store";
import { readTags } from "./tags";

/** Where Alibaba lets a VPC's block lie: RFC 1918. */
const PRIVATE_BLOCKS = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

export const vpcActions: Record<string, Action> = {
  CreateVpc(context) {
    const { parameters, store, work } = context;
    const regionId = requiredRegion(context);
    const cidrBlock = parameters.cidr("CidrBlock") ?? "172.16.0.0/12";
    if (!PRIVATE_BLOCKS.some((block) => cidrWithin(cidrBlock, block)) || prefixLength(cidrBlock) > 28) {
      throw refuse(
        "InvalidCidrBlock",
        "The specified CidrBlock is not valid: it lies in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 and has a prefix of at most 28.",
      );
    }
    const vpc: Vpc = {
      ...store.newResource("vpc", regionId, parameters.text("ResourceGroupId")),
      cidrBlock,
      routerId: store.newId("vrt"),
      routeTableId: store.newId("vtb"),
      name: checkedText(parameters, "VpcName", 1, 128) ?? "",
      description: checkedText(parameters, "Description", 1, 256) ?? "",
      status: "Pending",
    };
    for (const [key, value] of readTags(parameters, "Tag")) vpc.tags.set(key, value);
    store.vpcs.set(vpc.id, vpc);
    work.later(work.delays.vpcPending, () => (vpc.status = "Available"));
    return {
      VpcId: vpc.id,
      VRouterId: vpc.routerId,
      RouteTableId: vpc.routeTableId,
      ResourceGroupId: vpc.resourceGroupId,
    };
  },

  DescribeVpcAttribute(context) {
    const vpc = find(context, context.store.vpcs, context.parameters.required("VpcId"));
    // The one answer that the provider takes for "this VPC is gone".
    if (vpc === undefined) throw new ApiError(404, "InvalidVpcId.NotFound", "Specified VPC does not exist.");
    return { ...describeVpc(context, vpc), ClassicLinkEnabled: false };
  },

  DescribeVpcs(context) {
    const { VpcId, VpcName } = filters(context, "VpcId", "VpcName");
    const found = [...context.store.vpcs.values()].filter(
      (vpc) =>
        isListed(context, vpc) &&
        (VpcId === undefined || VpcId.split(",").includes(vpc.id)) &&
        (VpcName === undefined || vpc.name === VpcName),
    );
    const { counters, rows } = page(context, found, 10);
    return { ...counters, Vpcs: { Vpc: rows.map((vpc) => describeVpc(context, vpc)) } };
  },

  DescribeRouteTableList(context) {
    const { VpcId } = filters(context, "VpcId");
    const found = [...context.store.vpcs.values()].filter(
      (vpc) => isListed(context, vpc) && (VpcId === undefined || vpc.id === VpcId),
    );
    const { counters, rows } = page(context, found, 50);
    return {
      ...counters,
      RouterTableList: {
        RouterTableListType: rows.map((vpc) => ({
          VpcId: vpc.id,
          RouteTableType: "System",
          RouteTableId: vpc.routeTableId,
          RouterId: vpc.routerId,
          ResourceGroupId: vpc.resourceGroupId,
          Description: "",
          RouteTableName: "",
          RoutePropagationEnable: true,
        })),
      },
    };
  },

  ModifyVpcAttribute(context) {
    const vpc = requiredVpc(context);
    vpc.name = checkedText(context.parameters, "VpcName", 1, 128) ?? vpc.name;
    vpc.description = checkedText(context.parameters, "Description", 1, 256) ?? vpc.description;
    return {};
  },

  DeleteVpc(context) {
    const { store } = context;
    const vpc = requiredVpc(context);
    if ([...store.vSwitches.values()].some((vSwitch) => vSwitch.vpcId === vpc.id)) {
      throw refuse("DependencyViolation.VSwitch", "Specified object has dependent resources: vSwitches.");
    }
    store.vpcs.delete(vpc.id);
    return {};
  },

  CreateVSwitch(context) {
    const { parameters, store, work } = context;
    const regionId = requiredRegion(context);
    const vpc = requiredVpc(context);
    if (vpc.status !== "Available") throw refuse("IncorrectVpcStatus", "Current VPC status does not support this.");
    const zoneId = parameters.required("ZoneId");
    if (regionOfZone(zoneId) !== regionId) {
      throw refuse("InvalidZoneId.NotFound", `The specified ZoneId does not exist in ${regionId}.`);
    }
    parameters.required("CidrBlock");
    const cidrBlock = parameters.cidr("CidrBlock") ?? "";
    const length = prefixLength(cidrBlock);
    if (!cidrWithin(cidrBlock, vpc.cidrBlock) || length < 16 || length > 29) {
      throw refuse(
        "InvalidCidrBlock",
        `The specified CidrBlock is not valid: it lies in the VPC's ${vpc.cidrBlock} and has a prefix from 16 to 29.`,
      );
    }
    const siblings = [...store.vSwitches.values()].filter((vSwitch) => vSwitch.vpcId === vpc.id);
    if (siblings.some((sibling) => cidrsOverlap(sibling.cidrBlock, cidrBlock))) {
      throw refuse("InvalidCidrBlock.Overlapped", "Specified CIDR block overlapped with other subnets.");
    }
    const vSwitch: VSwitch = {
      ...store.newResource("vsw", regionId, vpc.resourceGroupId),
      vpcId: vpc.id,
      zoneId,
      cidrBlock,
      name: checkedText(parameters, "VSwitchName", 1, 128) ?? "",
      description: checkedText(parameters, "Description", 1, 256) ?? "",
      status: "Pending",
    };
    for (const [key, value] of readTags(parameters, "Tag")) vSwitch.tags.set(key, value);
    store.vSwitches.set(vSwitch.id, vSwitch);
    work.later(work.delays.vSwitchPending, () => (vSwitch.status = "Available"));
    announce(context, vSwitch);
    return { VSwitchId: vSwitch.id };
  },

  DescribeVSwitchAttributes(context) {
    const vSwitch = find(context, context.store.vSwitches, context.parameters.required("VSwitchId"));
    // An empty id is how this call says that the vSwitch is gone; an error would break the provider's plan.
    return vSwitch === undefined ? { VSwitchId: "" } : describeVSwitch(vSwitch);
  },

  DescribeVSwitches(context) {
    const { VSwitchId, VpcId, ZoneId, VSwitchName } = filters(context, "VSwitchId", "VpcId", "ZoneId", "VSwitchName");
    const found = [...context.store.vSwitches.values()].filter(
      (vSwitch) =>
        isListed(context, vSwitch) &&
        (VSwitchId === undefined || vSwitch.id === VSwitchId) &&
        (VpcId === undefined || vSwitch.vpcId === VpcId) &&
        (ZoneId === undefined || vSwitch.zoneId === ZoneId) &&
        (VSwitchName === undefined || vSwitch.name === VSwitchName),
    );
    const { counters, rows } = page(context, found, 10);
    return { ...counters, VSwitches: { VSwitch: rows.map(describeVSwitch) } };
  },

  ModifyVSwitchAttribute(context) {
    const vSwitch = requiredVSwitch(context);
    vSwitch.name = checkedText(context.parameters, "VSwitchName", 1, 128) ?? vSwitch.name;
    vSwitch.description = checkedText(context.parameters, "Description", 1, 256) ?? vSwitch.description;
    return {};
  },

  DeleteVSwitch(context) {
    const { store } = context;
    const vSwitch = requiredVSwitch(context);
    const used = [...store.vpnGateways.values()].some(
      (gateway) => gateway.vSwitchId === vSwitch.id || gateway.disasterRecoveryVSwitchId === vSwitch.id,
    );
    if (used) throw refuse("DependencyViolation", "Specified object has dependent resources: a VPN gateway.");
    store.vSwitches.delete(vSwitch.id);
    announce(context, vSwitch);
    return {};
  },
};

/** The VPN gateways of the VPC tell the data center the blocks of its vSwitches. */
function announce({ store, work }: Context, { vpcId }: VSwitch): void {
  if ([...store.vpnGateways.values()].some((gateway) => gateway.vpcId === vpcId)) work.renew();
}

function describeVpc(context: Context, vpc: Vpc): Answer {
  const vSwitches = [...context.store.vSwitches.values()].filter((vSwitch) => vSwitch.vpcId === vpc.id);
  return {
    VpcId: vpc.id,
    CidrBlock: vpc.cidrBlock,
    CreationTime: isoTime(vpc.createTime),
    Description: vpc.description,
    DnsHostnameStatus: "DISABLED",
    EnabledIpv6: false,
    Ipv6CidrBlock: "",
    RegionId: vpc.regionId,
    IsDefault: false,
    ResourceGroupId: vpc.resourceGroupId,
    VRouterId: vpc.routerId,
    Status: vpc.status,
    VpcName: vpc.name,
    Ipv6CidrBlocks: { Ipv6CidrBlock: [] },
    SecondaryCidrBlocks: { SecondaryCidrBlock: [] },
    Tags: tagList(vpc.tags),
    UserCidrs: { UserCidr: [] },
    VSwitchIds: { VSwitchId: vSwitches.map((vSwitch) => vSwitch.id) },
  };
}

function describeVSwitch(vSwitch: VSwitch): Answer {
  return {
    VSwitchId: vSwitch.id,
    VpcId: vSwitch.vpcId,
    CidrBlock: vSwitch.cidrBlock,
    CreationTime: isoTime(vSwitch.createTime),
    Description: vSwitch.description,
    // Without this key the provider reads enable_ipv6 as true.
    Ipv6CidrBlock: "",
    IsDefault: false,
    Status: vSwitch.status,
    VSwitchName: vSwitch.name,
    ZoneId: vSwitch.zoneId,
    // Alibaba keeps the first address and the last three of each vSwitch.
    AvailableIpAddressCount: 2 ** (32 - prefixLength(vSwitch.cidrBlock)) - 4,
    Tags: tagList(vSwitch.tags),
  };
}

function requiredVpc(context: Context): Vpc {
  const vpc = find(context, context.store.vpcs, context.parameters.required("VpcId"));
  if (vpc === undefined) throw refuse("InvalidVpcId.NotFound", "Specified VPC does not exist.");
  return vpc;
}

function requiredVSwitch(context: Context): VSwitch {
  const vSwitch = find(context, context.store.vSwitches, context.parameters.required("VSwitchId"));
  if (vSwitch === undefined) throw noVSwitch();
  return vSwitch;
}

function filters<T extends string>(context: Context, ...names: T[]): Record<T, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, context.parameters.text(name)])) as Record<
    T,
    string | undefined
  >;
}

function prefixLength(cidr: string): number {
  return ipaddr.IPv4.parseCIDR(cidr)[1];
}

/** `2026-11-23T06:40:18Z`. */
function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}
