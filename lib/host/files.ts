// The files that a box receives, rendered from the connection and its options; no secret but in those called secrets.
import { IIpsecDualConnection, trafficSelectors } from "../ipsec/connection";
import { Tunnel } from "../ipsec/tunnel";
import { AgentOptions } from "./agent-options";
import { ROUTE_METRIC } from "./numbers";
import { renderSite } from "./site";
import { renderConnection, renderSecrets } from "./swanctl";
import { siteUplink, uplinkOf, UplinkOptions } from "./uplinks";

/** What decides the files beside the connection. */
export interface FileOptions {
  readonly uplinks: readonly UplinkOptions[];
  readonly routeMetric?: number;
  readonly agent?: AgentOptions;
}

/** The files by their names on the box. */
export type BoxFiles = Readonly<
  Record<"site.json" | "tunnel-1.conf" | "tunnel-2.conf" | "secrets-1.conf" | "secrets-2.conf", string>
>;

/** Renders all that is known before the box's owner is. */
export function renderFiles(connection: IIpsecDualConnection, options: FileOptions): BoxFiles {
  const { name, vpcCidrs, dataCenterCidrs, bgp, tunnels, gatewayBandwidth } = connection;
  const [active, standby] = tunnels;
  const uplinks = options.uplinks.map(siteUplink);
  const selectors = trafficSelectors(connection);
  const conf = (tunnel: Tunnel) =>
    renderConnection(tunnel, {
      name,
      localAddress: uplinkOf(tunnel, uplinks)?.address ?? "",
      localSelectors: selectors.local,
      remoteSelectors: selectors.remote,
    });
  const routeMetric = options.routeMetric ?? ROUTE_METRIC;
  return {
    "site.json": renderSite({
      name,
      vpcCidrs,
      dataCenterCidrs,
      bandwidthMbps: gatewayBandwidth,
      routeMetric,
      bgp,
      uplinks,
      tunnels,
      agent: options.agent ?? {},
    }),
    "tunnel-1.conf": conf(active),
    "tunnel-2.conf": conf(standby),
    "secrets-1.conf": renderSecrets(active, name),
    "secrets-2.conf": renderSecrets(standby, name),
  };
}
