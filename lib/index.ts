// The library's surface: everything that a stack imports from "cdktf-alicloud-dual-tunnel-vpn".
export { GatewayNetworkType } from "./cloud/bandwidth";
export { ChangeQueue } from "./cloud/change-queue";
export { Charge } from "./cloud/charge";
export type { CloudOptions } from "./cloud/options";
export { CustomerGatewayPair } from "./customer-gateway-pair";
export type {
  CustomerGatewayPairAttributes,
  CustomerGatewayPairProps,
  ICustomerGatewayPair,
} from "./customer-gateway-pair";
export * from "./dual-tunnel-vpn";
export { DualTunnelVpnGateway } from "./dual-tunnel-vpn-gateway";
export type {
  DualTunnelVpnGatewayAttributes,
  DualTunnelVpnGatewayProps,
  IDualTunnelVpnGateway,
  NewGatewayOptions,
} from "./dual-tunnel-vpn-gateway";
export type { AgentOptions } from "./host/agent-options";
export { HostKey } from "./host/host-key";
export type { LanOptions, PairOptions } from "./host/pair";
export { BoxPackages } from "./host/packages";
export type { BastionOptions, SshOptions } from "./host/ssh";
export type { UplinkOptions } from "./host/uplinks";
export { IpsecDualConnection } from "./ipsec-dual-connection";
export type {
  ExistingTunnel,
  IpsecDualConnectionAttributes,
  IpsecDualConnectionOptions,
  IpsecDualConnectionProps,
} from "./ipsec-dual-connection";
export { DhGroup, Encryption, IkeMode, IkeVersion, Integrity, Pfs } from "./ipsec/algorithms";
export type { ConnectionBgp, TunnelBgp } from "./ipsec/bgp";
export type { IIpsecDualConnection } from "./ipsec/connection";
export type { EspOptions, EspPhase } from "./ipsec/esp";
export type { IkeOptions, IkePhase } from "./ipsec/ike";
export { PreSharedKey } from "./ipsec/pre-shared-key";
export { Routing, RoutingMode } from "./ipsec/routing";
export type { BgpOptions } from "./ipsec/routing";
export type { SingleTunnelOptions, Tunnel, TunnelOptions, TunnelRole } from "./ipsec/tunnel";
export { PeerConfiguration } from "./peer-configuration";
export { StrongswanHost } from "./strongswan-host";
export type { StrongswanHostOptions, StrongswanHostProps } from "./strongswan-host";
export type { VpcRef, VswitchRef } from "./structural";
export { synth } from "./synth";
