// The zones in which VPN gateways can be made, asked of Alibaba Cloud at plan: its answer counts, not our table.
import { DataAlicloudVpnGatewayZones } from "@cdktf/provider-alicloud/lib/data-alicloud-vpn-gateway-zones";
import { Fn, IResolvable, TerraformProvider, TerraformStack } from "cdktf";
import { Construct } from "constructs";
import { innerExpression } from "../expressions";
import { isLiteral } from "../structural";

/**
 * The data source for a bandwidth, one for each stack, provider and bandwidth.
 *
 * @param scope a construct of the stack
 * @param bandwidth of the gateway, Mbit/s
 * @param provider the gateway's, when it is not the default one
 */
export function zonesAtPlan(
  scope: Construct,
  bandwidth: number,
  provider?: TerraformProvider,
): DataAlicloudVpnGatewayZones {
  const stack = TerraformStack.of(scope);
  const id = ["vpn-gateway-zones", provider?.alias, `${bandwidth}M`].filter((part) => part !== undefined).join("-");
  return (
    (stack.node.tryFindChild(id) as DataAlicloudVpnGatewayZones | undefined) ??
    new DataAlicloudVpnGatewayZones(stack, id, { provider, spec: `${bandwidth}M` })
  );
}

/** The condition that a vSwitch is in one of these zones, with a message that names them. */
export function zonePrecondition(
  zones: DataAlicloudVpnGatewayZones,
  number: 1 | 2,
  zoneId: string,
): { condition: string | IResolvable; errorMessage: string } {
  const ids = `${zones.terraformResourceType}.${zones.friendlyUniqueId}.ids`;
  const zone = isLiteral(zoneId) ? `"${zoneId}"` : innerExpression(zoneId);
  return {
    condition:
      zone === undefined ? (Fn.contains(zones.ids, zoneId) as IResolvable) : `\${contains(data.${ids}, ${zone})}`,
    errorMessage: `vSwitch ${number} is in zone ${zoneId}, where this VPN gateway cannot be made; the zones that work are \${join(", ", data.${ids})}.`,
  };
}
