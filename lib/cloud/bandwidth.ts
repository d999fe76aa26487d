// Public and private VPN gateways, and the bandwidths that each is sold with.
import { Findings } from "../findings";
import { isLiteral } from "../structural";

/** Whether the gateway's IPsec addresses are public or of the VPC. */
export enum GatewayNetworkType {
  PUBLIC = "public",
  PRIVATE = "private",
}

/** Bandwidths in Mbit/s (CreateVpnGateway, `Bandwidth`). */
const SOLD: Readonly<Record<GatewayNetworkType, readonly number[]>> = {
  [GatewayNetworkType.PUBLIC]: [5, 10, 20, 50, 100, 200, 500, 1000],
  [GatewayNetworkType.PRIVATE]: [200, 1000],
};

/** The bandwidth of a gateway for which none is chosen, in Mbit/s. */
export const DEFAULT_BANDWIDTH: Readonly<Record<GatewayNetworkType, number>> = {
  [GatewayNetworkType.PUBLIC]: 10,
  [GatewayNetworkType.PRIVATE]: 200,
};

/** Checks that a bandwidth is sold. */
export function checkBandwidth(
  bandwidth: number | undefined,
  networkType: GatewayNetworkType,
  findings: Findings,
): void {
  const sold = SOLD[networkType];
  if (bandwidth === undefined || !isLiteral(bandwidth) || sold.includes(bandwidth)) return;
  findings.error(
    `bandwidth ${bandwidth} is not sold for a ${networkType} gateway; choose one of ${sold.join(", ")} Mbit/s.`,
  );
}
