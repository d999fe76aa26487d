// A site with two boxes as its owner's stack has it: each box with one uplink and one tunnel, and the address that they
// share on the LAN.
import type { TerraformStack } from "cdktf";
import { DualTunnelVpn, HostKey, Routing } from "../../lib";
import { BGP, DATA_CENTER_CIDR, LAN, TWO_BOXES, UPLINKS } from "../network";
import { newNetwork } from "./new-network";
import { NAME, type TwoBoxesConfig } from "./two-boxes";

const BY_BGP = { asn: BGP.asn, routing: Routing.bgp({ tunnelCidrs: BGP.tunnels.map(({ cidr }) => cidr) }) };

/** Puts the site into a stack that has the providers. */
export function twoBoxesSite(stack: TerraformStack, { boxes, privateKeyPath, agent, bgp }: TwoBoxesConfig): void {
  const lanPrefix = LAN.network.split("/")[1];
  const props = {
    name: NAME,
    gateway: newNetwork(stack, NAME),
    dataCenterCidrs: [DATA_CENTER_CIDR],
    ...(bgp ? BY_BGP : {}),
    boxes: boxes.map(({ port, hostKey }, index) => {
      const { address, prefixLength, gateway, egressIp } = UPLINKS[index];
      return {
        ssh: { host: "127.0.0.1", port, user: "admin", privateKeyPath, hostKey: HostKey.ecdsa(hostKey) },
        uplink: { address: `${address}/${prefixLength}`, gateway, egressIp },
        lan: { address: `${TWO_BOXES.lan[index]}/${lanPrefix}` },
      };
    }),
    virtualGateway: TWO_BOXES.virtualGateway,
    agent,
  };
  new DualTunnelVpn(stack, "vpn", props);
}
