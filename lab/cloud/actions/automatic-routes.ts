// The policy-based routes that the system makes by itself for a connection with protected data flows.
import type { Context } from "../context";
import { refuse } from "../errors";
import type { VpnConnection } from "../store";
import { ROUTE_QUOTA } from "./route";

const ANY = "0.0.0.0/0";

type RouteMaker = Pick<VpnConnection, "id" | "vpnGatewayId" | "localSubnets" | "remoteSubnets" | "autoConfigRoute">;

/** One route for each pair of blocks; none in destination routing mode. */
function automaticPairs({ localSubnets, remoteSubnets, autoConfigRoute }: RouteMaker) {
  const byDestination = localSubnets.includes(ANY) && remoteSubnets.includes(ANY);
  if (byDestination || !autoConfigRoute) return [];
  return localSubnets.flatMap((source) => remoteSubnets.map((destination) => ({ source, destination })));
}

/** Refuses a connection whose routes the gateway has no room for. */
export function checkRouteQuota(context: Context, maker: RouteMaker): void {
  const others = context.store.routes.filter(
    (route) =>
      route.vpnGatewayId === maker.vpnGatewayId &&
      route.source !== undefined &&
      !(route.automatic && route.nextHop === maker.id),
  );
  const added = automaticPairs(maker).length;
  if (others.length + added > ROUTE_QUOTA) {
    throw refuse(
      "QuotaExceeded.PolicyBasedRoute",
      `The maximum number of policy-based routes is exceeded. Existing routes: ${others.length}. Routes to be created: ${added}. Maximum routes: ${ROUTE_QUOTA}.`,
    );
  }
}

/** Adds the routes that the connection has to have and removes those that it no longer needs. */
export function setAutomaticRoutes(context: Context, connection: VpnConnection): void {
  const { store } = context;
  const wanted = automaticPairs(connection);
  store.removeRoutes(
    (route) =>
      route.automatic &&
      route.nextHop === connection.id &&
      !wanted.some((pair) => pair.source === route.source && pair.destination === route.destination),
  );
  const present = store.routesOf(connection.id);
  for (const pair of wanted) {
    if (present.some((route) => route.source === pair.source && route.destination === pair.destination)) continue;
    store.routes.push({
      ...pair,
      vpnGatewayId: connection.vpnGatewayId,
      nextHop: connection.id,
      createTime: Date.now(),
      automatic: true,
      weight: 0,
      published: true,
      deleting: false,
    });
  }
}
