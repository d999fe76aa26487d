// The other half of the emulated cloud: what turns the API's wishes into real IPsec.
// The API server (server.ts) hands over the whole desired state; whoever implements CloudEnd makes it so.

/** Alibaba's word for what a tunnel's or a connection's negotiation has reached. */
export type TunnelStatus =
  "ike_sa_not_established" | "ike_sa_established" | "ipsec_sa_not_established" | "ipsec_sa_established";

/** One tunnel of a connection, every value explicit, in Alibaba's words (`aes192`, `group14`, `disabled`). */
export interface CloudTunnel {
  readonly tunnelId: string;
  /** `master` is the active tunnel, `slave` the standby tunnel. */
  readonly role: "master" | "slave";
  /** The VPN gateway's public address for this tunnel. */
  readonly ipsecAddress: string;
  /** The customer gateway's address: the egress IP of the other side. */
  readonly peerAddress: string;
  readonly localId: string;
  readonly remoteId: string;
  /** The pre-shared key. Secret: never in a log or an error. */
  readonly psk: string;
  readonly ike: {
    readonly version: "ikev1" | "ikev2";
    readonly mode: "main" | "aggressive";
    readonly enc: string;
    readonly auth: string;
    readonly dhGroup: string;
    /** Seconds. */
    readonly lifetime: number;
  };
  readonly esp: {
    readonly enc: string;
    readonly auth: string;
    /** A DH group or `disabled`. */
    readonly pfs: string;
    /** Seconds. */
    readonly lifetime: number;
  };
  readonly dpd: boolean;
  readonly natTraversal: boolean;
  /** The tunnel's BGP session; absent where the connection has BGP off. */
  readonly bgp?: CloudBgp;
}

/** The two ends of a BGP session inside a tunnel, the cloud's first. */
export interface CloudBgp {
  readonly cloudAsn: number;
  /** The customer gateway's AS number. */
  readonly peerAsn: number;
  readonly cloudAddress: string;
  readonly peerAddress: string;
  readonly prefixLength: 30;
}

/** A dual-tunnel IPsec connection. */
export interface CloudConnection {
  readonly id: string;
  readonly name: string;
  readonly gatewayId: string;
  /** The VPC's side; `0.0.0.0/0` on both sides means destination routing mode. */
  readonly localSubnets: readonly string[];
  readonly remoteSubnets: readonly string[];
  /** True: negotiate now; false: wait for traffic or for the other side. */
  readonly effectImmediately: boolean;
  /** In the order in which they were created, which need not be master first. */
  readonly tunnels: readonly [CloudTunnel, CloudTunnel];
}

/** A route of the VPN gateway: destination-based, or policy-based when it has a source. */
export interface CloudRoute {
  readonly gatewayId: string;
  readonly connectionId: string;
  readonly destination: string;
  readonly source?: string;
  /** 100 is preferred over 0. */
  readonly weight: number;
  /** Whether the VPC's route table has it; only then do instances in the VPC send by it. */
  readonly published: boolean;
}

/** A VPN gateway and the block of the VPC behind it. */
export interface CloudGateway {
  readonly id: string;
  readonly vpcCidrBlock: string;
  /** IPsec address 1 (the active tunnel's) and IPsec address 2. */
  readonly ipsecAddresses: readonly [string, string];
  /**
   * Whether the VPC's route table has what is learnt by BGP; without it that stays in the gateway, and instances in the VPC do
   * not send by it.
   */
  readonly autoPropagate: boolean;
  /** What is told to the data center by BGP: the blocks of the VPC's vSwitches. */
  readonly announced: readonly string[];
}

/** Everything that the cloud end has to be; a later state replaces an earlier one as a whole. */
export interface CloudState {
  readonly gateways: readonly CloudGateway[];
  readonly connections: readonly CloudConnection[];
  readonly routes: readonly CloudRoute[];
}

/** What a tunnel's BGP session has reached, and the routes that came by it and were taken. */
export interface BgpSession {
  readonly established: boolean;
  readonly routes: readonly { readonly destination: string; readonly asPath: string }[];
}

/** What the API server drives. Calls of `apply` never overlap. */
export interface CloudEnd {
  /**
   * Makes the state real; resolves when it is in force (not when SAs are up), rejects when it could not be.
   * Only what differs from the state in force may be disturbed.
   */
  apply(state: CloudState): Promise<void>;
  /** The negotiation's state of each tunnel by its id; a tunnel that is missing counts as not established. */
  tunnelStatus(): Promise<Readonly<Record<string, TunnelStatus>>>;
  /** The BGP session of each tunnel by its id; a tunnel that is missing counts as not established. */
  bgp(): Promise<Readonly<Record<string, BgpSession>>>;
}
