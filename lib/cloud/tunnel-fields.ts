// A tunnel in Alibaba's words: as the provider's resource takes it, and as the console shows it to the other end.
import { VpnConnectionTunnelOptionsSpecification } from "@cdktf/provider-alicloud/lib/vpn-connection";
import type { ConnectionBgp, TunnelBgp } from "../ipsec/bgp";
import { Tunnel } from "../ipsec/tunnel";

/** The provider's fields of a tunnel. All are given: the provider sends false and 0 for what is left out. */
export function tunnelFields(
  tunnel: Tunnel,
  customerGatewayId: string,
  bgp?: ConnectionBgp,
): VpnConnectionTunnelOptionsSpecification {
  return {
    role: tunnel.role === "active" ? "master" : "slave",
    customerGatewayId,
    enableDpd: tunnel.dpd,
    enableNatTraversal: tunnel.natTraversal,
    tunnelIkeConfig: {
      ...tunnel.ike.alicloud,
      psk: tunnel.preSharedKey.expression,
      localId: tunnel.cloudId,
      remoteId: tunnel.peerId,
    },
    tunnelIpsecConfig: tunnel.esp.alicloud,
    // Local is the cloud here. Without BGP there is no block: the provider would see one that the API does not answer with.
    tunnelBgpConfig: bgp &&
      tunnel.bgp && {
        localAsn: String(bgp.cloudAsn),
        localBgpIp: tunnel.bgp.cloudAddress,
        tunnelCidr: tunnel.bgp.tunnelCidr,
      },
  };
}

/** The API's description of a tunnel for its other end (DownloadVpnConnectionConfig): local is the data center. */
export function peerFields(tunnel: Tunnel): object {
  return {
    Local: tunnel.egressIp,
    Remote: tunnel.ipsecAddress,
    IkeConfig: {
      ...capitalized(tunnel.ike.alicloud),
      LocalId: tunnel.peerId,
      RemoteId: tunnel.cloudId,
      Psk: tunnel.preSharedKey.expression,
    },
    IpsecConfig: capitalized(tunnel.esp.alicloud),
  };
}

/** The API's description of a tunnel's BGP session for its other end (DownloadVpnConnectionConfig, `BgpConfig`). */
export function peerBgpFields({ cloudAddress, boxAddress, tunnelCidr }: TunnelBgp, bgp: ConnectionBgp): object {
  return {
    LocalAsn: String(bgp.asn),
    LocalBgpIp: boxAddress,
    PeerAsn: String(bgp.cloudAsn),
    PeerBgpIp: cloudAddress,
    TunnelCidr: tunnelCidr,
  };
}

/** The API names its fields as the provider does, with a capital letter. */
function capitalized(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name[0].toUpperCase() + name.slice(1), value]),
  );
}
