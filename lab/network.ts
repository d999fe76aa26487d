// Every address of the lab, once. Public-looking addresses are RFC 5737's; the private ones are the how-to page's.

export const VPC_CIDR = "192.168.0.0/16";
export const DATA_CENTER_CIDR = "172.16.0.0/16";

/** BGP between data center and cloud: AS numbers, each tunnel's network and its ends, the data center's block in halves. */
export const BGP = {
  asn: 65010,
  cloudAsn: 45104,
  tunnels: [
    { cidr: "169.254.11.0/30", cloudAddress: "169.254.11.1", boxAddress: "169.254.11.2" },
    { cidr: "169.254.12.0/30", cloudAddress: "169.254.12.1", boxAddress: "169.254.12.2" },
  ],
  halves: ["172.16.0.0/17", "172.16.128.0/17"],
} as const;

/** The box's uplinks; `gateway` is the NAT's inner address, `egressIp` its outer one. */
export const UPLINKS = [
  { number: 1, address: "172.16.1.93", prefixLength: 24, gateway: "172.16.1.253", egressIp: "198.51.100.198" },
  { number: 2, address: "172.16.2.57", prefixLength: 24, gateway: "172.16.2.253", egressIp: "203.0.113.181" },
] as const;

/** Public networks, each with the router's (namespace `inet`) address in it. */
export const INTERNET = {
  nat1: { network: "198.51.100.0/24", router: "198.51.100.1" },
  nat2: { network: "203.0.113.0/24", router: "203.0.113.1" },
  cloud: { network: "192.0.2.0/24", router: "192.0.2.1", primary: "192.0.2.2" },
} as const;

/** IPsec addresses in the order in which the emulated API hands them out, two to a gateway. */
export const IPSEC_ADDRESSES = [
  "192.0.2.152",
  "192.0.2.10",
  "192.0.2.153",
  "192.0.2.11",
  "192.0.2.154",
  "192.0.2.12",
] as const;

/** Blocks beside the first ones, for tests with several of them: an instance and a server with an address in each. */
export const MORE_VPC_HOSTS = [
  { network: "192.168.20.0/24", address: "192.168.20.10", router: "192.168.20.1" },
  { network: "10.64.10.0/24", address: "10.64.10.10", router: "10.64.10.1" },
  { network: "10.64.20.0/24", address: "10.64.20.10", router: "10.64.20.1" },
  { network: "10.96.0.0/24", address: "10.96.0.10", router: "10.96.0.1" },
] as const;
export const MORE_LANS = [
  { network: "10.40.3.0/24", server: "10.40.3.10" },
  { network: "10.50.3.0/24", server: "10.50.3.10" },
] as const;

/** A second site with no NAT and a device of its own; its public address lies in the first uplink's public network. */
export const BRANCH = { egressIp: "198.51.100.201", network: "172.20.0.0/24", server: "172.20.0.10" } as const;

/** The data center's LAN. */
export const LAN = { network: "172.16.3.0/24", box: "172.16.3.1", server: "172.16.3.10" } as const;

/**
 * Where two boxes stand in place of one: each has one of the uplinks and an address of its own on the LAN, and they share
 * the address by which the LAN reaches the VPC.
 */
export const TWO_BOXES = { lan: ["172.16.3.2", "172.16.3.3"], virtualGateway: LAN.box } as const;

/** The instance in the VPC, and the VPC's router (namespace `cloud`) beside it. */
export const ECS = { address: "192.168.10.10", prefixLength: 24, router: "192.168.10.1" } as const;
