// The cloud's routes to the data center: one for each of its blocks, or with the policy for each pair of blocks.
// With BGP the box tells them.
import { VpnPbrRouteEntry } from "@cdktf/provider-alicloud/lib/vpn-pbr-route-entry";
import { VpnRouteEntry } from "@cdktf/provider-alicloud/lib/vpn-route-entry";
import { Construct } from "constructs";
import { IIpsecDualConnection } from "../ipsec/connection";
import { RoutingMode } from "../ipsec/routing";
import { blockKey, terraformNames } from "../names";
import type { CloudOptions } from "./options";

/** What the routes of a connection have in common. */
export interface RouteOptions extends Pick<CloudOptions, "provider"> {
  readonly vpnGatewayId: string;
  readonly publishVpc: boolean;
}

/** Makes a connection's routes as its children; with BGP there is none to make. */
export function makeRoutes(
  connection: Construct & IIpsecDualConnection,
  { provider, vpnGatewayId, publishVpc }: RouteOptions,
): (VpnRouteEntry | VpnPbrRouteEntry)[] {
  const { name, routing, vpnConnectionId: nextHop } = connection;
  if (routing === RoutingMode.BGP) return [];
  // The only route to its destination: the two tunnels fail over below it, by themselves.
  const weight = 100;
  const toSite = keyed(connection.dataCenterCidrs);
  if (routing === RoutingMode.DESTINATION) {
    return toSite.map(({ cidr: routeDest, key }) => {
      const config = { provider, vpnGatewayId, nextHop, routeDest, weight, publishVpc };
      const route = new VpnRouteEntry(connection, `route-${key}`, config);
      route.overrideLogicalId(terraformNames(name).route(key));
      return route;
    });
  }
  return keyed(connection.vpcCidrs).flatMap(({ cidr: routeSource, key: from }) =>
    toSite.map(({ cidr: routeDest, key: to }) => {
      const config = { provider, vpnGatewayId, nextHop, routeSource, routeDest, weight, publishVpc };
      const route = new VpnPbrRouteEntry(connection, `route-${from}_to_${to}`, config);
      route.overrideLogicalId(terraformNames(name).route(from, to));
      return route;
    }),
  );
}

/** Each block once: a construct's id cannot be given twice, and the check of the list names the repetition. */
function keyed(cidrs: readonly string[]): { readonly cidr: string; readonly key: string }[] {
  return [...new Set(cidrs)].map((cidr, index) => ({ cidr, key: blockKey(cidr, index) }));
}
