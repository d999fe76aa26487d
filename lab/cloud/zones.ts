// The zones of a region as DescribeVpnGatewayAvailableZones answers them, from the library's table of regions.
import { CLOSED_ZONES, REGIONS } from "../../lib/cloud/regions";

export interface Zone {
  readonly id: string;
  readonly name: string;
}

/** The zones that sell dual-tunnel VPN gateways; undefined for a region that has none. */
export function vpnZones(regionId: string): Zone[] | undefined {
  const region = REGIONS.find(({ id }) => id === regionId);
  const city = /\(([^)]*?)( - [^)]*)?\)/.exec(region?.displayName ?? "")?.[1] ?? region?.displayName;
  return region?.zones
    .filter((zone) => !CLOSED_ZONES.includes(zone))
    .map((id) => ({ id, name: `${city} Zone ${id.slice(-1).toUpperCase()}` }));
}
