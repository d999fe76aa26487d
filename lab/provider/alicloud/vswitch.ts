// alicloud_vswitch over CreateVSwitch, DescribeVSwitchAttributes, ModifyVSwitchAttribute and DeleteVSwitch.
import type { Resource } from "../provider";
import { Reader, sameValue } from "../values";
import { ApiError, clientToken, failure, given, type Answer, type Api } from "./api";
import { describe } from "./describe";
import { readTags, updateTags } from "./tags";

const MINUTE = 60_000;
const BUSY = [
  "TaskConflict",
  "IncorrectStatus",
  "OperationConflict",
  "OperationFailed.LastTokenProcessing",
  "OperationFailed.IdempotentTokenProcessing",
  "CreateVSwitch.IncorrectStatus.cbnStatus",
  "SystemBusy",
  "ServiceUnavailable",
  "UnknownError",
];

async function look(api: Api, id: string): Promise<Answer | undefined> {
  const answer = await describe(api, "DescribeVSwitchAttributes", id, { VSwitchId: id });
  return answer && answer.VSwitchId !== "" ? answer : undefined;
}

export const vswitch: Resource<Api> = {
  facts: {
    forceNew: ["availability_zone", "cidr_block", "is_default", "vpc_id", "zone_id"],
    conflicts: [["vswitch_name", "name"]],
    check: (config) => {
      const set = ["zone_id", "availability_zone"].filter((name) => (config[name] ?? null) !== null);
      return set.length === 1 ? undefined : '"zone_id": exactly one of `availability_zone,zone_id` must be specified';
    },
    unserved: ["enable_ipv6", "ipv6_cidr_block_mask", "is_default", "vpc_ipv6_cidr_block"],
  },
  timeouts: { create: 5 * MINUTE, update: 5 * MINUTE, delete: 10 * MINUTE },

  async create(api, planned, within) {
    const value = new Reader(planned);
    try {
      const answer = await api.retry(
        "CreateVSwitch",
        () =>
          given({
            RegionId: api.region,
            ClientToken: clientToken("CreateVSwitch"),
            CidrBlock: value.string("cidr_block"),
            VpcId: value.string("vpc_id"),
            VSwitchName: value.string("vswitch_name") ?? value.string("name"),
            Description: value.string("description"),
            ZoneId: value.string("zone_id") ?? value.string("availability_zone"),
          }),
        BUSY,
        within,
      );
      return { id: String(answer.VSwitchId) };
    } catch (error) {
      throw failure("alicloud_vswitch", error);
    }
  },

  async settle(api, id, planned, within) {
    await api.waitFor(
      `Resource ${id} Available`,
      () => look(api, id),
      (answer) => answer?.Status === "Available",
      within,
    );
    await updateTags(api, "VSWITCH", id, null, planned, within);
  },

  async read(api, id, state) {
    const answer = await look(api, id);
    if (!answer) return undefined;
    return {
      availability_zone: answer.ZoneId,
      cidr_block: answer.CidrBlock,
      create_time: answer.CreationTime,
      description: answer.Description,
      // Looked at once only, when the state does not have it yet.
      enable_ipv6: state.enable_ipv6 ?? answer.Ipv6CidrBlock !== "",
      ipv6_cidr_block: answer.Ipv6CidrBlock,
      is_default: answer.IsDefault,
      name: answer.VSwitchName,
      status: answer.Status,
      tags: readTags(answer),
      vpc_id: answer.VpcId,
      vswitch_name: answer.VSwitchName,
      zone_id: answer.ZoneId,
    };
  },

  async update(api, id, prior, planned, within) {
    const value = new Reader(planned);
    const changed = (name: string) => !sameValue(prior[name], planned[name]);
    const changes = given({
      VSwitchName: changed("vswitch_name")
        ? value.string("vswitch_name")
        : changed("name")
          ? value.string("name")
          : undefined,
      Description: changed("description") ? (value.string("description") ?? "") : undefined,
    });
    if (Object.keys(changes).length > 0) {
      try {
        await api.retry(
          "ModifyVSwitchAttribute",
          () => ({ RegionId: api.region, VSwitchId: id, ...changes }),
          BUSY,
          within,
        );
      } catch (error) {
        throw failure(id, error);
      }
    }
    await updateTags(api, "VSWITCH", id, prior, planned, within);
  },

  async delete(api, id, _prior, within) {
    try {
      await api.retry(
        "DeleteVSwitch",
        () => ({ RegionId: api.region, VSwitchId: id }),
        [...BUSY, "DependencyViolation", "IncorrectRouteEntryStatus", "InternalError"],
        within,
      );
    } catch (error) {
      if (error instanceof ApiError && error.isOneOf(["InvalidVswitchID.NotFound", "InvalidVSwitchId.NotFound"]))
        return;
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
