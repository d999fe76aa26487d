// The library's surface: everything that a stack imports from "cdktf-alicloud-dual-tunnel-vpn".
export { ChangeQueue } from "./cloud/change-queue";
export { CustomerGatewayPair } from "./customer-gateway-pair";
export type {
  CustomerGatewayPairAttributes,
  CustomerGatewayPairProps,
  ICustomerGatewayPair,
} from "./customer-gateway-pair";
export * from "./dual-tunnel-vpn";
export { Charge, DualTunnelVpnGateway, GatewayNetworkType } from "./dual-tunnel-vpn-gateway";
export type {
  DualTunnelVpnGatewayAttributes,
  DualTunnelVpnGatewayProps,
  IDualTunnelVpnGateway,
} from "./dual-tunnel-vpn-gateway";
export type { AgentOptions } from "./host/agent-options";
export { HostKey } from "./host/host-key";
export type { BastionOptions, SshOptions } from "./host/ssh";
export { IpsecDualConnection, RoutingMode } from "./ipsec-dual-connection";
export type {
  ExistingTunnel,
  IIpsecDualConnection,
  IpsecDualConnectionAttributes,
  IpsecDualConnectionProps,
} from "./ipsec-dual-connection";
export { DhGroup, Encryption, IkeMode, IkeVersion, Integrity, Pfs } from "./ipsec/algorithms";
export { PreSharedKey } from "./ipsec/pre-shared-key";
export type { EspOptions, IkeOptions, SingleTunnelOptions, Tunnel, TunnelOptions, TunnelRole } from "./ipsec/tunnel";
export { PeerConfiguration } from "./peer-configuration";
export { StrongswanHost } from "./strongswan-host";
export type { StrongswanHostProps, UplinkOptions } from "./strongswan-host";
export type { VpcRef, VswitchRef } from "./structural";
export { synth } from "./synth";
