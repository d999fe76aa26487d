// alicloud_vpn_gateway over CreateVpnGateway, DescribeVpnGateway, ModifyVpnGatewayAttribute and DeleteVpnGateway.
import type { Resource } from "../provider";
import { Reader, sameValue, type Values } from "../values";
import { ApiError, clientToken, failure, given, type Answer, type Api } from "./api";
import { oneOf, oneOfNumbers } from "./checks";
import { describe } from "./describe";
import { readTags, updateTags } from "./tags";

const MINUTE = 60_000;
const PAYMENT = ["Subscription", "PayAsYouGo", "PostPaid", "PrePaid"];

/** The provider's words for how a gateway is paid, in the API's; other words go as they are. */
const CHARGE_TYPES: Record<string, string> = {
  Subscription: "PREPAY",
  PrePaid: "PREPAY",
  PayAsYouGo: "POSTPAY",
  PostPaid: "POSTPAY",
};
const PAYMENT_TYPES: Record<string, string> = { PostpayByFlow: "PayAsYouGo", Prepay: "Subscription" };

const look = (api: Api, id: string): Promise<Answer | undefined> =>
  describe(api, "DescribeVpnGateway", id, { VpnGatewayId: id }, ["InvalidVpnGatewayInstanceId.NotFound"]);

const untilActive = (api: Api, id: string, within: number) =>
  api.waitFor(
    `Resource ${id} active`,
    () => look(api, id),
    (answer) => answer?.Status === "active",
    within,
  );

const isPrepaid = (values: Values): boolean =>
  [values.payment_type, values.instance_charge_type].some(
    (word) => typeof word === "string" && /^(subscription|prepaid)$/i.test(word),
  );

/** Mbit/s of a gateway whose answer says `10M`; a number there reads as 0, and then the gateway is to be replaced. */
function bandwidthOf(spec: unknown): number {
  if (typeof spec !== "string") return 0;
  const digits = spec.split("M")[0];
  if (!/^\d{1,9}$/.test(digits))
    throw new Error(
      `Spec is ${JSON.stringify(spec)} where a bandwidth such as "10M" is expected; the real provider crashes here`,
    );
  return Number(digits);
}

/** @param prior null right after a creation: the name has gone with it already */
async function modify(api: Api, id: string, prior: Values | null, planned: Values, within: number): Promise<void> {
  const value = new Reader(planned);
  const changed = (name: string) => !sameValue(prior?.[name], planned[name]);
  const name = changed("vpn_gateway_name") ? value.string("vpn_gateway_name") : value.string("name");
  const changes = given({
    Description: changed("description") ? (value.string("description") ?? "") : undefined,
    AutoPropagate: changed("auto_propagate") ? (value.boolean("auto_propagate") ?? false) : undefined,
    Name: prior && (changed("vpn_gateway_name") || changed("name")) ? name : undefined,
  });
  if (Object.keys(changes).length === 0) return;
  try {
    await api.retry(
      "ModifyVpnGatewayAttribute",
      () => ({
        VpnGatewayId: id,
        RegionId: api.region,
        ClientToken: clientToken("ModifyVpnGatewayAttribute"),
        ...changes,
      }),
      [],
      within,
    );
  } catch (error) {
    throw failure(id, error);
  }
  await untilActive(api, id, within);
}

export const vpnGateway: Resource<Api> = {
  facts: {
    forceNew: [
      "bandwidth",
      "instance_charge_type",
      "network_type",
      "payment_type",
      "ssl_connections",
      "vpc_id",
      "vpn_type",
      "vswitch_id",
    ],
    defaults: { enable_ipsec: true, enable_ssl: false, period: 1 },
    suppress: { period: (proposed) => !isPrepaid(proposed) },
    conflicts: [
      ["payment_type", "instance_charge_type"],
      ["vpn_gateway_name", "name"],
    ],
    checks: {
      instance_charge_type: oneOf("instance_charge_type", PAYMENT, true),
      payment_type: oneOf("payment_type", PAYMENT, true),
      network_type: oneOf("network_type", ["public", "private"], true),
      vpn_type: oneOf("vpn_type", ["Normal", "NationalStandard"], true),
      period: oneOfNumbers("period", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36]),
    },
  },
  timeouts: { create: 15 * MINUTE, update: 5 * MINUTE, delete: 5 * MINUTE },

  async create(api, planned, within) {
    const value = new Reader(planned);
    const payment = value.string("payment_type") ?? value.string("instance_charge_type");
    const chargeType = payment === undefined ? undefined : (CHARGE_TYPES[payment] ?? payment);
    const ssl = value.boolean("enable_ssl") ?? false;
    try {
      const answer = await api.retry(
        "CreateVpnGateway",
        () =>
          given({
            RegionId: api.region,
            ClientToken: clientToken("CreateVpnGateway"),
            VpcId: value.string("vpc_id"),
            VSwitchId: value.string("vswitch_id"),
            Name: value.string("vpn_gateway_name") ?? value.string("name"),
            NetworkType: value.string("network_type"),
            AutoPay: value.boolean("auto_pay") ?? true,
            EnableIpsec: value.boolean("enable_ipsec") ?? true,
            EnableSsl: ssl,
            SslConnections: ssl ? value.number("ssl_connections") : undefined,
            VpnType: value.string("vpn_type"),
            DisasterRecoveryVSwitchId: value.string("disaster_recovery_vswitch_id"),
            InstanceChargeType: chargeType,
            Bandwidth: value.number("bandwidth") ?? 0,
            ResourceGroupId: value.string("resource_group_id"),
            Period: chargeType === "PREPAY" ? value.number("period") : undefined,
          }),
        ["OperationFailed.SslNotSupport"],
        within,
      );
      return { id: String(answer.VpnGatewayId) };
    } catch (error) {
      throw failure("alicloud_vpn_gateway", error);
    }
  },

  async settle(api, id, planned, within) {
    await untilActive(api, id, within);
    await modify(api, id, null, planned, within);
    await updateTags(api, "VpnGateWay", id, null, planned, within);
  },

  async read(api, id) {
    const answer = await look(api, id);
    if (!answer) return undefined;
    const payment = PAYMENT_TYPES[String(answer.ChargeType)] ?? answer.ChargeType;
    return {
      auto_propagate: answer.AutoPropagate ?? false,
      bandwidth: bandwidthOf(answer.Spec),
      business_status: answer.BusinessStatus,
      create_time: answer.CreateTime,
      description: answer.Description,
      disaster_recovery_internet_ip: answer.DisasterRecoveryInternetIp,
      disaster_recovery_vswitch_id: answer.DisasterRecoveryVSwitchId,
      enable_ipsec: answer.IpsecVpn === "enable",
      enable_ssl: answer.SslVpn === "enable",
      instance_charge_type: payment,
      internet_ip: answer.InternetIp,
      name: answer.Name,
      network_type: answer.NetworkType,
      payment_type: payment,
      resource_group_id: answer.ResourceGroupId,
      ssl_connections: answer.SslMaxConnections,
      ssl_vpn_internet_ip: answer.SslVpnInternetIp,
      status: answer.Status,
      tags: readTags(answer),
      vpc_id: answer.VpcId,
      vpn_gateway_name: answer.Name,
      vpn_type: answer.VpnType,
      vswitch_id: answer.VSwitchId,
    };
  },

  async update(api, id, prior, planned, within) {
    await modify(api, id, prior, planned, within);
    if (!sameValue(prior.resource_group_id, planned.resource_group_id)) {
      try {
        await api.retry(
          "MoveVpnResourceGroup",
          () => ({
            InstanceId: id,
            RegionId: api.region,
            NewResourceGroupId: planned.resource_group_id,
            ResourceType: "VpnGateWay",
          }),
          [],
          within,
        );
      } catch (error) {
        throw failure(id, error);
      }
    }
    await updateTags(api, "VpnGateWay", id, prior, planned, within);
  },

  async delete(api, id, prior, within) {
    // A gateway paid for in advance cannot be deleted: it is only forgotten.
    if (prior.payment_type === "Subscription") return;
    try {
      await api.retry(
        "DeleteVpnGateway",
        () => ({ VpnGatewayId: id, RegionId: api.region, ClientToken: clientToken("DeleteVpnGateway") }),
        ["VpnGateway.Configuring"],
        within,
      );
    } catch (error) {
      const gone = [
        "INSTANCE_NOT_EXISTS",
        "IncorrectStatus.VpnGateway",
        "InvalidVpnGatewayId.NotFound",
        "InvalidRegionId.NotFound",
      ];
      if (error instanceof ApiError && error.isOneOf(gone)) return;
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
