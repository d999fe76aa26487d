// The lab's VPN gateway: real IPsec in the world machine for whatever the emulated API was asked for.
export * from "./world-cloud-end";
