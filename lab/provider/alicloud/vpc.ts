// alicloud_vpc over CreateVpc, DescribeVpcAttribute, DescribeRouteTableList, ModifyVpcAttribute and DeleteVpc.
import type { Resource } from "../provider";
import { Reader, sameValue, type Values } from "../values";
import { ApiError, clientToken, failure, given, listIn, objectsIn, type Answer, type Api } from "./api";
import { describe } from "./describe";
import { readTags, tagList, updateTags } from "./tags";

const MINUTE = 60_000;

async function look(api: Api, id: string): Promise<Answer | undefined> {
  const answer = await describe(api, "DescribeVpcAttribute", id, { VpcId: id });
  return answer && answer.VpcId !== "" ? answer : undefined;
}

async function systemRouteTable(api: Api, id: string): Promise<Answer | undefined> {
  const answer = await describe(api, "DescribeRouteTableList", id, { VpcId: id });
  const list = answer && objectsIn(answer, "RouterTableList", "RouterTableListType");
  return list?.find((table) => table.RouteTableType === "System" && table.VpcId === id);
}

/** What the provider does after a creation and as an update: it looks at the system route table, then come the tags. */
async function adjust(api: Api, id: string, prior: Values | null, planned: Values, within: number): Promise<void> {
  if (!(await systemRouteTable(api, id))) throw new Error(`[ERROR] Resource ${id} has no system route table.`);
  await updateTags(api, "VPC", id, prior, planned, within);
}

export const vpc: Resource<Api> = {
  facts: {
    forceNew: ["ipv6_cidr_block", "is_default", "user_cidrs"],
    conflicts: [["vpc_name", "name"]],
    unserved: [
      "classic_link_enabled",
      "dns_hostname_status",
      "dry_run",
      "enable_ipv6",
      "ipv4_cidr_mask",
      "ipv4_ipam_pool_id",
      "ipv6_cidr_block",
      "ipv6_isp",
      "is_default",
      "secondary_cidr_blocks",
      "secondary_cidr_mask",
      "system_route_table_description",
      "system_route_table_name",
      "system_route_table_route_propagation_enable",
    ],
  },
  timeouts: { create: 10 * MINUTE, update: 5 * MINUTE, delete: 5 * MINUTE },

  async create(api, planned, within) {
    const value = new Reader(planned);
    const userCidrs = value.strings("user_cidrs");
    try {
      const answer = await api.retry(
        "CreateVpc",
        () =>
          given({
            RegionId: api.region,
            ClientToken: clientToken("CreateVpc"),
            CidrBlock: value.string("cidr_block"),
            VpcName: value.string("vpc_name") ?? value.string("name"),
            Description: value.string("description"),
            ResourceGroupId: value.string("resource_group_id"),
            UserCidr: userCidrs.length > 0 ? userCidrs.join(",") : undefined,
            Tag: tagList(value),
          }),
        ["TaskConflict", "UnknownError"],
        within,
      );
      return { id: String(answer.VpcId) };
    } catch (error) {
      throw failure("alicloud_vpc", error);
    }
  },

  async settle(api, id, planned, within) {
    await api.waitFor(
      `Resource ${id} Available`,
      () => look(api, id),
      (answer) => answer?.Status === "Available",
      within,
    );
    await adjust(api, id, null, planned, within);
  },

  async read(api, id) {
    const answer = await look(api, id);
    if (!answer) return undefined;
    const table = await systemRouteTable(api, id);
    return {
      cidr_block: answer.CidrBlock,
      classic_link_enabled: answer.ClassicLinkEnabled,
      create_time: answer.CreationTime,
      description: answer.Description,
      dns_hostname_status: answer.DnsHostnameStatus,
      enable_ipv6: answer.EnabledIpv6,
      ipv6_cidr_block: answer.Ipv6CidrBlock,
      ipv6_cidr_blocks: (objectsIn(answer, "Ipv6CidrBlocks", "Ipv6CidrBlock") ?? []).map((block) => ({
        ipv6_cidr_block: block.Ipv6CidrBlock,
        ipv6_isp: block.Ipv6Isp,
      })),
      is_default: answer.IsDefault,
      name: answer.VpcName,
      region_id: answer.RegionId,
      resource_group_id: answer.ResourceGroupId,
      router_id: answer.VRouterId,
      secondary_cidr_blocks: listIn(answer, "SecondaryCidrBlocks", "SecondaryCidrBlock") ?? [],
      status: answer.Status,
      tags: readTags(answer),
      user_cidrs: listIn(answer, "UserCidrs", "UserCidr") ?? [],
      vpc_name: answer.VpcName,
      route_table_id: table?.RouteTableId,
      router_table_id: table?.RouteTableId,
      system_route_table_description: table?.Description,
      system_route_table_name: table?.RouteTableName,
      system_route_table_route_propagation_enable: table?.RoutePropagationEnable,
    };
  },

  async update(api, id, prior, planned, within) {
    const value = new Reader(planned);
    const changed = (name: string) => !sameValue(prior[name], planned[name]);
    const changes = given({
      CidrBlock: changed("cidr_block") ? value.string("cidr_block") : undefined,
      VpcName: changed("vpc_name") ? value.string("vpc_name") : changed("name") ? value.string("name") : undefined,
      Description: changed("description") ? (value.string("description") ?? "") : undefined,
    });
    if (changed("resource_group_id"))
      throw new Error("[ERROR] The stand-in provider does not move a VPC to another resource group.");
    if (Object.keys(changes).length > 0) {
      try {
        await api.retry(
          "ModifyVpcAttribute",
          () => ({ RegionId: api.region, VpcId: id, ...changes }),
          ["OperationConflict"],
          within,
        );
      } catch (error) {
        throw failure(id, error);
      }
    }
    await adjust(api, id, prior, planned, within);
  },

  async delete(api, id, prior, within) {
    const force = new Reader(prior).boolean("force_delete");
    try {
      await api.retry(
        "DeleteVpc",
        () =>
          given({
            RegionId: api.region,
            VpcId: id,
            ClientToken: clientToken("DeleteVpc"),
            ForceDelete: force,
          }),
        ["DependencyViolation.VSwitch", "DependencyViolation.SecurityGroup", "IncorrectVpcStatus"],
        within,
      );
    } catch (error) {
      if (error instanceof ApiError && (error.isOneOf(["InvalidResource.NotFound"]) || error.isNotFound)) return;
      throw failure(id, error);
    }
    await api.waitFor(
      `Resource ${id} deleted`,
      () => look(api, id),
      (answer) => answer === undefined,
      within,
    );
  },
};
