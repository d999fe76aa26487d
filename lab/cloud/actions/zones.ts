// DescribeVpnGatewayAvailableZones: where a region has dual-tunnel VPN gateways.
import { requiredRegion, type Action } from "../context";
import { refuse } from "../errors";
import { vpnZones } from "../zones";

export const zoneActions: Record<string, Action> = {
  DescribeVpnGatewayAvailableZones(context) {
    const regionId = requiredRegion(context);
    const spec = context.parameters.required("Spec");
    if (!/^\d+M$/.test(spec)) throw refuse("InvalidSpec", "The specified Spec is not valid: it is of the form 5M.");
    return {
      RegionId: regionId,
      AvailableZoneIdList: (vpnZones(regionId) ?? []).map(({ id, name }) => ({ ZoneId: id, ZoneName: name })),
    };
  },
};
