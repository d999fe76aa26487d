// alicloud_vpn_route_entry and alicloud_vpn_pbr_route_entry: two kinds of routes of a VPN gateway that differ in the
// names of their actions, in a source, and in how patiently the provider treats them.
import type { Resource } from "../provider";
import { Reader, sameValue } from "../values";
import { ApiError, clientToken, failure, given, objectsIn, type Answer, type Api } from "./api";
import { oneOfNumbers } from "./checks";
import { describe } from "./describe";

const MINUTE = 60_000;
const PAGE = 20;
const BUSY = [
  "VpnGateway.Configuring",
  "TaskConflict",
  "Appliance.Configuring",
  "VpnTask.CONFLICT",
  "VpnConnection.Configuring",
];

interface Kind {
  readonly type: string;
  /** `VpnRouteEntry` in the names of actions. */
  readonly noun: string;
  readonly describe: string;
  readonly routeType: "dbr" | "pbr";
  readonly hasSource: boolean;
}

/** What names a route, from its id `<vpn>:<vco>[:<source>]:<destination>`. */
function parseId(kind: Kind, id: string): Record<string, string> {
  const parts = id.split(":");
  const names = ["VpnGatewayId", "NextHop", ...(kind.hasSource ? ["RouteSource"] : []), "RouteDest"];
  if (parts.length !== names.length)
    throw new Error(`[ERROR] Invalid Resource Id ${id}. Expected parts' length ${names.length}, got ${parts.length}`);
  return Object.fromEntries(names.map((name, index) => [name, parts[index]]));
}

function routeEntry(kind: Kind): Resource<Api> {
  async function look(api: Api, id: string): Promise<Answer | undefined> {
    const key = parseId(kind, id);
    for (let page = 1; ; page++) {
      const answer = await describe(api, kind.describe, id, {
        VpnGatewayId: key.VpnGatewayId,
        PageNumber: page,
        PageSize: PAGE,
      });
      if (!answer) return undefined;
      const outer = kind.noun.replace(/y$/, "ies");
      const list = objectsIn(answer, outer, kind.noun);
      if (!list) throw new Error(`[ERROR] Getting resource ${id} attribute by path $.${outer}.${kind.noun} failed!!!`);
      const found = list.find(
        (entry) =>
          entry.NextHop === key.NextHop &&
          entry.RouteDest === key.RouteDest &&
          (!kind.hasSource || entry.RouteSource === key.RouteSource),
      );
      if (found || list.length < PAGE) return found;
    }
  }
  const untilInForce = (api: Api, id: string, within: number) =>
    api.waitFor(
      `Resource ${id} published or normal`,
      () => look(api, id),
      (entry) => entry?.State === "published" || entry?.State === "normal",
      within,
    );

  return {
    facts: {
      forceNew: ["next_hop", "route_dest", "route_source", "vpn_gateway_id"],
      checks: { weight: oneOfNumbers("weight", [0, 100]) },
    },
    timeouts: { create: 5 * MINUTE, update: 5 * MINUTE, delete: 5 * MINUTE },

    async create(api, planned, within) {
      const value = new Reader(planned);
      const route = given({
        VpnGatewayId: value.string("vpn_gateway_id"),
        RouteSource: kind.hasSource ? value.string("route_source") : undefined,
        RouteDest: value.string("route_dest"),
        NextHop: value.string("next_hop"),
      });
      const action = `Create${kind.noun}`;
      try {
        const answer = await api.retry(
          action,
          () => ({
            RegionId: api.region,
            ClientToken: clientToken(action),
            ...route,
            Weight: value.number("weight") ?? 0,
            PublishVpc: value.boolean("publish_vpc") ?? false,
          }),
          BUSY,
          within,
        );
        const id = kind.hasSource
          ? [route.VpnGatewayId, route.NextHop, route.RouteSource, route.RouteDest]
          : [answer.VpnInstanceId, answer.NextHop, answer.RouteDest];
        return { id: id.join(":") };
      } catch (error) {
        throw failure(kind.type, error);
      }
    },

    settle: async (api, id, _planned, within) => {
      await untilInForce(api, id, within);
    },

    async read(api, id) {
      const entry = await look(api, id);
      if (!entry) return undefined;
      return {
        next_hop: entry.NextHop,
        publish_vpc: entry.State === "published",
        route_dest: entry.RouteDest,
        ...(kind.hasSource ? { route_source: entry.RouteSource } : { route_entry_type: entry.RouteEntryType }),
        status: entry.State,
        vpn_gateway_id: entry.VpnInstanceId,
        weight: entry.Weight,
      };
    },

    async update(api, id, prior, planned, within) {
      const { RouteSource, ...key } = parseId(kind, id);
      try {
        if (!sameValue(prior.publish_vpc, planned.publish_vpc)) {
          await api.retry(
            "PublishVpnRouteEntry",
            () => ({
              RegionId: api.region,
              ...key,
              PublishVpc: planned.publish_vpc,
              RouteType: kind.routeType,
              ClientToken: clientToken("PublishVpnRouteEntry"),
            }),
            BUSY,
            within,
            // Alibaba's SDK has no property for it; the provider sends it.
            kind.hasSource ? { RouteSource } : {},
          );
          if (!kind.hasSource) await untilInForce(api, id, within);
        }
        if (!sameValue(prior.weight, planned.weight))
          await api.retry(
            `Modify${kind.noun}Weight`,
            () => ({
              RegionId: api.region,
              ...parseId(kind, id),
              Weight: prior.weight,
              NewWeight: planned.weight,
            }),
            BUSY,
            within,
          );
      } catch (error) {
        throw failure(id, error);
      }
    },

    async delete(api, id, prior, within) {
      const action = `Delete${kind.noun}`;
      try {
        await api.retry(
          action,
          () => ({
            RegionId: api.region,
            ...parseId(kind, id),
            Weight: prior.weight,
            ClientToken: clientToken(action),
          }),
          kind.hasSource ? BUSY : [...BUSY, "VpnRouteEntry.Configuring"],
          within,
        );
      } catch (error) {
        if (!kind.hasSource && error instanceof ApiError && error.isOneOf(["InvalidRouteEntry.NotFound"])) return;
        throw failure(id, error);
      }
      await api.waitFor(
        `Resource ${id} deleted`,
        () => look(api, id),
        (entry) => entry === undefined,
        within,
      );
    },
  };
}

export const vpnRouteEntry = routeEntry({
  type: "alicloud_vpn_route_entry",
  noun: "VpnRouteEntry",
  describe: "DescribeVpnRouteEntries",
  routeType: "dbr",
  hasSource: false,
});

export const vpnPbrRouteEntry = routeEntry({
  type: "alicloud_vpn_pbr_route_entry",
  noun: "VpnPbrRouteEntry",
  describe: "DescribeVpnPbrRouteEntries",
  routeType: "pbr",
  hasSource: true,
});
