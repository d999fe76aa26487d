// What the other end of a connection has to be configured with, for a device that StrongswanHost does not manage:
// the console's "Generate Peer Configuration" as JSON, and the same as swanctl text.
import { Fn, Token } from "cdktf";
import { peerBgpFields, peerFields } from "./cloud/tunnel-fields";
import { described } from "./guard";
import { renderConnection, renderSecrets } from "./host/swanctl";
import { IIpsecDualConnection, trafficSelectors } from "./ipsec/connection";

/**
 * The configuration of a connection's other end. Both forms hold the pre-shared keys: an output of them has to be
 * `sensitive: true`.
 */
export class PeerConfiguration {
  /**
   * The configuration of a connection's other end.
   *
   * @param connection the connection, new or existing
   * @throws one sentence when it is no connection
   */
  static of(connection: IIpsecDualConnection): PeerConfiguration {
    const value: unknown = connection;
    if (typeof value !== "object" || value === null || !("tunnels" in value)) {
      throw new Error(`PeerConfiguration.of: the connection is ${described(value)}; give an IpsecDualConnection.`);
    }
    return new PeerConfiguration(connection);
  }

  private constructor(private readonly connection: IIpsecDualConnection) {}

  /**
   * JSON with the names of Alibaba's API (DownloadVpnConnectionConfig, `VpnConnectionConfig`). Local is the data center,
   * remote is the cloud; the active tunnel comes first. With BGP each tunnel's session is in `BgpConfigs`.
   */
  get json(): string {
    const { bgp, tunnels } = this.connection;
    const selectors = trafficSelectors(this.connection);
    const sessions = bgp && tunnels.flatMap((tunnel) => (tunnel.bgp ? [peerBgpFields(tunnel.bgp, bgp)] : []));
    return Token.asString(
      Fn.jsonencode({
        LocalSubnet: selectors.local.join(","),
        RemoteSubnet: selectors.remote.join(","),
        ...(sessions && { BgpConfigs: { BgpConfig: sessions } }),
        TunnelsConfig: { TunnelConfig: tunnels.map(peerFields) },
      }),
    );
  }

  /**
   * swanctl text with both connections and both secrets. Each tunnel has the if_id of an XFRM interface that the device
   * has to have. What a BGP speaker needs beside it is in `json`.
   *
   * @param localAddresses the addresses from which the device negotiates: one, or the active tunnel's and the standby
   * tunnel's; by default any
   */
  swanctl(localAddresses: readonly [string] | readonly [string, string] = ["%any"]): string {
    const selectors = trafficSelectors(this.connection);
    const connections = this.connection.tunnels.map((tunnel) =>
      renderConnection(tunnel, {
        name: this.connection.name,
        localAddress: localAddresses[tunnel.number - 1] ?? localAddresses[0],
        localSelectors: selectors.local,
        remoteSelectors: selectors.remote,
      }),
    );
    const secrets = this.connection.tunnels.map((tunnel) => renderSecrets(tunnel, this.connection.name));
    return [...connections, ...secrets].join("\n");
  }
}
