// The files that a box receives, rendered from the connection and its options; no secret but in those called secrets.
import { IIpsecDualConnection, trafficSelectors } from "../ipsec/connection";
import { Tunnel } from "../ipsec/tunnel";
import { AgentOptions } from "./agent-options";
import { ROUTE_METRIC } from "./numbers";
import { PairOptions, sitePair } from "./pair";
import { renderSite, uplinkOf } from "./site";
import { renderConnection, renderSecrets } from "./swanctl";
import { siteUplink, UplinkOptions } from "./uplinks";

/** What decides the files beside the connection. */
export interface FileOptions {
  readonly uplinks: readonly UplinkOptions[];
  readonly routeMetric?: number;
  readonly agent?: AgentOptions;
  readonly pair?: PairOptions;
}

/** The files by their names on the box: site.json, tunnel-K.conf and secrets-K.conf of each tunnel that it has. */
export interface BoxFiles extends Readonly<Record<string, string>> {
  readonly "site.json": string;
}

/** Renders all that is known before the box's owner is. */
export function renderFiles(connection: IIpsecDualConnection, options: FileOptions): BoxFiles {
  const { name, vpcCidrs, dataCenterCidrs, bgp, gatewayBandwidth } = connection;
  const { pair } = options;
  const tunnels = connection.tunnels.filter(({ number }) => pair === undefined || number === pair.number);
  const uplinks = options.uplinks.map((uplink, index) => siteUplink(pair?.number ?? (index === 0 ? 1 : 2), uplink));
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
      pair: pair && sitePair(pair),
      agent: options.agent ?? {},
    }),
    ...ofTunnels("tunnel", tunnels, conf),
    ...ofTunnels("secrets", tunnels, (tunnel) => renderSecrets(tunnel, name)),
  };
}

function ofTunnels(
  file: string,
  tunnels: readonly Tunnel[],
  render: (tunnel: Tunnel) => string,
): Record<string, string> {
  return Object.fromEntries(tunnels.map((tunnel) => [`${file}-${tunnel.number}.conf`, render(tunnel)]));
}
