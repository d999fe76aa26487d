// Renders lab/network.ts for the scripts that run in the world machine.
import { ECS, INTERNET, LAN, UPLINKS, VPC_CIDR } from "../network";

/** MAC addresses of the NICs that join boxes and world; the world's `lan2` leads to the second box. */
export const MACS = {
  box: {
    management: "52:54:00:00:01:00",
    uplink1: "52:54:00:00:01:01",
    uplink2: "52:54:00:00:01:02",
    lan: "52:54:00:00:01:03",
  },
  box2: {
    management: "52:54:00:00:03:00",
    uplink2: "52:54:00:00:03:02",
    lan: "52:54:00:00:03:03",
  },
  world: {
    management: "52:54:00:00:02:00",
    uplink1: "52:54:00:00:02:01",
    uplink2: "52:54:00:00:02:02",
    lan: "52:54:00:00:02:03",
    lan2: "52:54:00:00:02:04",
  },
} as const;

const prefix = (network: string) => network.split("/")[1];

/** `/etc/lab/network.env`: shell assignments, addresses with their prefix length where one is needed. */
export function networkEnv(boxes: 1 | 2): string {
  const [one, two] = UPLINKS;
  const values: Record<string, string> = {
    UPLINK1_MAC: MACS.world.uplink1,
    UPLINK2_MAC: MACS.world.uplink2,
    LAN_MAC: MACS.world.lan,
    UPLINK1_GATEWAY: `${one.gateway}/${one.prefixLength}`,
    UPLINK2_GATEWAY: `${two.gateway}/${two.prefixLength}`,
    UPLINK1_EGRESS: `${one.egressIp}/${prefix(INTERNET.nat1.network)}`,
    UPLINK2_EGRESS: `${two.egressIp}/${prefix(INTERNET.nat2.network)}`,
    NAT1_ROUTER: INTERNET.nat1.router,
    NAT2_ROUTER: INTERNET.nat2.router,
    CLOUD_ROUTER: INTERNET.cloud.router,
    CLOUD_PRIMARY: INTERNET.cloud.primary,
    VPC_CIDR,
    VPC_ROUTER: `${ECS.router}/${ECS.prefixLength}`,
    ECS_ADDRESS: `${ECS.address}/${ECS.prefixLength}`,
    LAN_SERVER: `${LAN.server}/${prefix(LAN.network)}`,
    LAN_BOX: LAN.box,
    ...(boxes === 1 ? {} : { LAN2_MAC: MACS.world.lan2 }),
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}
