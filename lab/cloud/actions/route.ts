// Routes of a VPN gateway: destination-based ones and policy-based ones (pbr), which also have a source.
import { page, requiredGateway, requiredRegion, type Action, type Answer, type Context } from "../context";
import { ApiError, illegal, missing, noConnection, refuse } from "../errors";
import { cidrsOverlap } from "../parameters";
import type { Route, VpnGateway } from "../store";

type Kind = "dbr" | "pbr";

/** Routes of one kind that a VPN gateway takes. */
export const ROUTE_QUOTA = 20;
/** Routes that a VPN gateway takes by BGP. */
const BGP_ROUTE_QUOTA = 50;

export const routeActions: Record<string, Action> = {
  CreateVpnRouteEntry: (context) => createRoute(context, "dbr"),
  CreateVpnPbrRouteEntry: (context) => createRoute(context, "pbr"),

  /** Destination-based routes, or what came by BGP: never both in one answer. */
  async DescribeVpnRouteEntries(context) {
    const custom = routesOfGateway(context, "dbr").map(describeRoute);
    const bgp = await bgpRoutes(context);
    const asked = context.parameters.choice("RouteEntryType", ["custom", "bgp"]) ?? "custom";
    const { counters, rows } = page(context, asked === "bgp" ? bgp : custom, 10);
    const count = (RouteEntryType: string, routes: readonly Answer[]) => ({
      RouteEntryType,
      RouteCount: routes.length,
    });
    return {
      ...counters,
      VpnRouteCounts: { VpnRouteCount: [count("custom", custom), count("bgp", bgp)] },
      VpnRouteEntries: { VpnRouteEntry: rows },
    };
  },

  DescribeVpnPbrRouteEntries(context) {
    const { counters, rows } = page(context, routesOfGateway(context, "pbr"), 10);
    return { ...counters, VpnPbrRouteEntries: { VpnPbrRouteEntry: rows.map(describeRoute) } };
  },

  PublishVpnRouteEntry(context) {
    const { parameters, work } = context;
    const gateway = requiredGateway(context);
    const kind = parameters.choice("RouteType", ["dbr", "pbr"]);
    if (kind === undefined) throw missing("RouteType");
    const publish = parameters.flag("PublishVpc");
    if (publish === undefined) throw missing("PublishVpc");
    work.requireIdle(gateway);
    const route = requiredRoute(context, gateway, kind);
    route.published = publish;
    work.change(gateway);
    return {};
  },

  ModifyVpnRouteEntryWeight: (context) => modifyWeight(context, "dbr"),
  ModifyVpnPbrRouteEntryWeight: (context) => modifyWeight(context, "pbr"),

  DeleteVpnRouteEntry: (context) => deleteRoute(context, "dbr"),
  DeleteVpnPbrRouteEntry: (context) => deleteRoute(context, "pbr"),
};

function createRoute(context: Context, kind: Kind): Answer {
  const { parameters, store, work } = context;
  requiredRegion(context);
  const gateway = requiredGateway(context);
  const nextHop = parameters.required("NextHop");
  parameters.required("RouteDest");
  const destination = parameters.cidr("RouteDest") ?? "";
  if (kind === "pbr") parameters.required("RouteSource");
  const source = kind === "pbr" ? parameters.cidr("RouteSource") : undefined;
  const published = parameters.flag("PublishVpc");
  if (published === undefined) throw missing("PublishVpc");
  const weight = readWeight(context, "Weight");
  if (kind === "dbr" && destination === "0.0.0.0/0") {
    throw illegal("RouteDest", "a destination-based route is not for 0.0.0.0/0");
  }
  work.requireIdle(gateway);
  const connection = store.vpnConnections.get(nextHop);
  if (connection === undefined || connection.vpnGatewayId !== gateway.id || connection.state === "deleting") {
    throw noConnection();
  }
  const siblings = routesOfGateway(context, kind);
  if (siblings.some((route) => same(route, { nextHop, destination, source }))) {
    throw refuse("VpnRouteEntry.AlreadyExists", "The specified route entry already exists.");
  }
  if (siblings.length >= ROUTE_QUOTA) {
    throw refuse(
      kind === "dbr" ? "QuotaExceeded.VpnRouteEntry" : "QuotaExceeded.PolicyBasedRoute",
      `A VPN gateway has at most ${ROUTE_QUOTA} routes of this kind.`,
    );
  }
  const route: Route = {
    vpnGatewayId: gateway.id,
    nextHop,
    destination,
    ...(source === undefined ? {} : { source }),
    createTime: Date.now(),
    automatic: false,
    weight,
    published,
    deleting: false,
  };
  store.routes.push(route);
  work.change(gateway);
  return {
    VpnInstanceId: gateway.id,
    NextHop: nextHop,
    RouteDest: destination,
    ...(source === undefined ? {} : { RouteSource: source }),
    State: stateOf(route),
    Weight: weight,
    OverlayMode: "Ipsec",
    CreateTime: route.createTime,
  };
}

function modifyWeight(context: Context, kind: Kind): Answer {
  const { work } = context;
  const gateway = requiredGateway(context);
  readWeight(context, "Weight");
  const weight = readWeight(context, "NewWeight");
  work.requireIdle(gateway);
  const route = requiredRoute(context, gateway, kind);
  route.weight = weight;
  work.change(gateway);
  return {};
}

function deleteRoute(context: Context, kind: Kind): Answer {
  const { store, work } = context;
  const gateway = requiredGateway(context);
  readWeight(context, "Weight");
  work.requireIdle(gateway);
  const route = requiredRoute(context, gateway, kind);
  route.deleting = true;
  work.change(gateway, undefined, () => store.removeRoutes((other) => other === route));
  return {};
}

/** An empty list, not an error, for a gateway that is gone: the provider's plan would fail on an error. */
function routesOfGateway(context: Context, kind: Kind): Route[] {
  const id = context.parameters.required("VpnGatewayId");
  return context.store.routes.filter(
    (route) => route.vpnGatewayId === id && (route.source === undefined) === (kind === "dbr"),
  );
}

/** What the gateway's tunnels learnt by BGP and took. */
async function bgpRoutes(context: Context): Promise<Answer[]> {
  const { store, work } = context;
  const gateway = store.vpnGateways.get(context.parameters.required("VpnGatewayId"));
  const connections = [...store.vpnConnections.values()].filter(
    (connection) => connection.vpnGatewayId === gateway?.id && connection.enableTunnelsBgp,
  );
  if (gateway === undefined || connections.length === 0) return [];
  const sessions = await work.bgpSessions();
  return connections
    .flatMap((connection) => connection.tunnels.map((tunnel) => ({ connection, tunnel })))
    .flatMap(({ connection, tunnel }) =>
      (sessions[tunnel.id]?.routes ?? []).filter(isTaken).map(({ destination, asPath }) => ({
        VpnInstanceId: gateway.id,
        NextHop: connection.id,
        NextHopTunnelId: tunnel.id,
        RouteDest: destination,
        AsPath: asPath,
        Community: "",
        Weight: 0,
        CreateTime: connection.createTime,
        RouteEntryType: "bgp",
        State: gateway.autoPropagate ? "published" : "normal",
      })),
    )
    .slice(0, BGP_ROUTE_QUOTA);
}

/** The default route is not taken, nor what touches the addresses that Alibaba keeps for itself. */
function isTaken({ destination }: { readonly destination: string }): boolean {
  return destination !== "0.0.0.0/0" && !cidrsOverlap(destination, "100.64.0.0/10");
}

function requiredRoute(context: Context, gateway: VpnGateway, kind: Kind): Route {
  const { parameters } = context;
  const wanted = {
    nextHop: parameters.required("NextHop"),
    destination: parameters.required("RouteDest"),
    source: kind === "pbr" ? parameters.required("RouteSource") : undefined,
  };
  const route = context.store.routes.find((other) => other.vpnGatewayId === gateway.id && same(other, wanted));
  if (route === undefined) throw noRoute();
  return route;
}

function same(route: Route, wanted: { nextHop: string; destination: string; source?: string | undefined }): boolean {
  return route.nextHop === wanted.nextHop && route.destination === wanted.destination && route.source === wanted.source;
}

function noRoute(): ApiError {
  return refuse("InvalidRouteEntry.NotFound", "The specified route entry does not exist.");
}

function readWeight(context: Context, name: string): number {
  return Number(context.parameters.choice(name, ["0", "100"]) ?? context.parameters.required(name));
}

function stateOf(route: Route): string {
  if (route.deleting) return "deleting";
  return route.published ? "published" : "normal";
}

function describeRoute(route: Route): Answer {
  return {
    VpnInstanceId: route.vpnGatewayId,
    NextHop: route.nextHop,
    RouteDest: route.destination,
    ...(route.source === undefined ? {} : { RouteSource: route.source }),
    Weight: route.weight,
    CreateTime: route.createTime,
    RouteEntryType: "custom",
    State: stateOf(route),
  };
}
