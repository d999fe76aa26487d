// data alicloud_vpn_gateway_zones over DescribeVpnGatewayAvailableZones.
import { randomUUID } from "node:crypto";
import type { DataSource } from "../provider";
import { Reader } from "../values";
import { failure, type Answer, type Api } from "./api";

const MINUTE = 60_000;

export const vpnGatewayZones: DataSource<Api> = {
  async read(api, config) {
    const spec = new Reader(config).string("spec");
    let answer: Answer;
    try {
      answer = await api.retry(
        "DescribeVpnGatewayAvailableZones",
        () => ({ RegionId: api.region, Spec: spec }),
        [],
        20 * MINUTE,
      );
    } catch (error) {
      throw failure("alicloud_vpn_gateway_zones", error);
    }
    const zones = answer.AvailableZoneIdList as { ZoneId: unknown; ZoneName: unknown }[];
    if (!Array.isArray(zones) || zones.some((zone: unknown) => typeof zone !== "object" || zone === null))
      throw new Error(
        "alicloud_vpn_gateway_zones: the answer has no list AvailableZoneIdList; the real provider crashes here.",
      );
    return {
      id: randomUUID(),
      ids: zones.map((zone) => zone.ZoneId),
      zones: zones.map((zone) => ({ zone_id: zone.ZoneId, zone_name: zone.ZoneName })),
    };
  },
};
