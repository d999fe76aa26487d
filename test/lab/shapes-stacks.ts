// The stacks that test/lab/shapes.test.ts deploys: between them they have every shape that the library offers.
import { TerraformOutput, TerraformStack, TerraformVariable } from "cdktf";
import { newNetwork, ZONES } from "../../lab/deployment/new-network";
import type { Lab } from "../../lab/machines/lab";
import { BRANCH, DATA_CENTER_CIDR, UPLINKS } from "../../lab/network";
import {
  Charge,
  CustomerGatewayPair,
  DhGroup,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  Encryption,
  GatewayNetworkType,
  HostKey,
  IkeMode,
  IkeVersion,
  Integrity,
  IpsecDualConnection,
  PeerConfiguration,
  Pfs,
  PreSharedKey,
  RoutingMode,
  StrongswanHost,
  type IIpsecDualConnection,
  type SshOptions,
} from "../../lib";
import type { Algorithms } from "./suites";

const algorithms = (
  ike: readonly [Encryption, Integrity, DhGroup],
  esp: readonly [Encryption, Integrity, Pfs],
  version: Pick<Algorithms["ike"], "version" | "mode"> = {},
): Algorithms => ({
  ike: { ...version, encryption: ike[0], integrity: ike[1], dhGroup: ike[2] },
  esp: { encryption: esp[0], integrity: esp[1], pfs: esp[2] },
});

/** What each tunnel of the box is asked to negotiate: every algorithm of each phase at least once. */
export const SAMPLE: Readonly<Record<string, Algorithms>> = {
  "alpha-1": algorithms(
    [Encryption.AES_256, Integrity.SHA_256, DhGroup.GROUP_14],
    [Encryption.AES_256, Integrity.SHA_256, Pfs.GROUP_14],
  ),
  "alpha-2": algorithms(
    [Encryption.AES_192, Integrity.SHA_384, DhGroup.GROUP_5],
    [Encryption.AES_192, Integrity.SHA_512, Pfs.GROUP_5],
  ),
  "beta-1": algorithms(
    [Encryption.AES_128, Integrity.SHA_512, DhGroup.GROUP_14],
    [Encryption.AES_128, Integrity.SHA_384, Pfs.DISABLED],
  ),
  "beta-2": algorithms(
    [Encryption.TRIPLE_DES, Integrity.SHA1, DhGroup.GROUP_2],
    [Encryption.TRIPLE_DES, Integrity.SHA1, Pfs.GROUP_2],
  ),
  "gamma-1": algorithms(
    [Encryption.DES, Integrity.MD5, DhGroup.GROUP_1],
    [Encryption.DES, Integrity.MD5, Pfs.GROUP_1],
    { version: IkeVersion.V1, mode: IkeMode.MAIN },
  ),
  "gamma-2": algorithms(
    [Encryption.AES_256, Integrity.SHA_256, DhGroup.GROUP_14],
    [Encryption.AES_256, Integrity.SHA_256, Pfs.GROUP_14],
    { version: IkeVersion.V1, mode: IkeMode.AGGRESSIVE },
  ),
};

/** What alpha's tunnels are changed to. */
export const CHANGED: Readonly<Record<string, Algorithms>> = {
  "alpha-1": algorithms(
    [Encryption.AES_128, Integrity.SHA_384, DhGroup.GROUP_5],
    [Encryption.AES_256, Integrity.SHA_512, Pfs.DISABLED],
  ),
  "alpha-2": algorithms(
    [Encryption.AES_256, Integrity.SHA1, DhGroup.GROUP_2],
    [Encryption.AES_128, Integrity.SHA_256, Pfs.GROUP_14],
  ),
};

// The lab's agents share two emulated cores.
const AGENT = { probeIntervalMs: 500 };

export const uplink = (index: 0 | 1) => {
  const { address, prefixLength, gateway, egressIp } = UPLINKS[index];
  return { address: `${address}/${prefixLength}`, gateway, egressIp };
};

/** How Terraform reaches the lab's box. */
export function sshTo({ box, keyPath }: Pick<Lab, "box" | "keyPath">): SshOptions {
  return {
    host: "127.0.0.1",
    port: box.sshPort,
    user: "admin",
    privateKeyPath: keyPath,
    hostKey: HostKey.ecdsa(box.hostKeyEcdsa),
  };
}

/** A VPC that somebody made by hand, with a vSwitch in each of two zones. */
export interface ExistingVpc {
  readonly id: string;
  readonly cidrBlock: string;
  readonly vswitchIds: readonly [string, string];
}

export const TAGS = { team: "network", "cost center": "42" };

/** All new: a gateway with two sites on it, and a second gateway, in a VPC that exists, with a connection of its own. */
export function newEverything(
  ssh: SshOptions,
  secondVpc: ExistingVpc,
  alpha: Readonly<Record<string, Algorithms>>,
): (stack: TerraformStack) => void {
  return (stack) => {
    const site = new DualTunnelVpn(stack, "alpha", {
      name: "alpha",
      gateway: {
        ...newNetwork(stack, "first"),
        bandwidth: 100,
        resourceGroupId: "rg-shapes",
        description: "the first gateway",
      },
      vpcCidrs: ["192.168.10.0/24", "192.168.20.0/24"],
      dataCenterCidrs: [DATA_CENTER_CIDR, "10.40.0.0/16"],
      uplinks: [uplink(0), uplink(1)],
      activeTunnel: alpha["alpha-1"],
      standbyTunnel: alpha["alpha-2"],
      // Both tunnels change in one deploy here.
      allowOutage: true,
      tags: TAGS,
      agent: AGENT,
      ssh,
    });

    const branch = new IpsecDualConnection(stack, "branch", {
      name: "branch",
      gateway: site.gateway,
      customerGateways: new CustomerGatewayPair(stack, "branch-customer-gateways", {
        name: "branch",
        egressIps: [BRANCH.egressIp],
        description: "one address for both tunnels",
      }),
      dataCenterCidrs: [BRANCH.network],
      tunnels: { natTraversal: false, dpd: false },
      activeTunnel: { preSharedKey: PreSharedKey.generated(stack, "branch-key-1") },
      standbyTunnel: {
        preSharedKey: PreSharedKey.generated(stack, "branch-key-2", 100),
        cloudId: "cloud.example.com",
        peerId: "branch@example.com",
      },
    });

    const second = new DualTunnelVpnGateway(stack, "second-gateway", {
      name: "second.gateway",
      vpc: { id: secondVpc.id, cidrBlock: secondVpc.cidrBlock },
      vswitches: [
        { id: secondVpc.vswitchIds[0], zoneId: ZONES[0] },
        { id: secondVpc.vswitchIds[1], zoneId: ZONES[1] },
      ],
      networkType: GatewayNetworkType.PRIVATE,
      charge: Charge.subscription(1),
    });
    const beta = new IpsecDualConnection(stack, "beta", {
      ...BETA,
      gateway: second,
      customerGateways: site.customerGateways,
      activeTunnel: SAMPLE["beta-1"],
      standbyTunnel: SAMPLE["beta-2"],
    });

    const outputs = {
      activeCustomerGateway: site.customerGateways.activeCustomerGatewayId,
      betaConnection: beta.vpnConnectionId,
      betaActiveAddress: second.activeIpsecAddress,
      betaStandbyAddress: second.standbyIpsecAddress,
      branchSwanctl: PeerConfiguration.of(branch).swanctl([BRANCH.egressIp]),
    };
    for (const [name, value] of Object.entries(outputs)) new TerraformOutput(stack, name, { value, sensitive: true });
  };
}

const BETA = {
  name: "beta",
  routing: RoutingMode.POLICY,
  vpcCidrs: ["10.64.10.0/24", "10.64.20.0/24"],
  dataCenterCidrs: [DATA_CENTER_CIDR, "10.40.0.0/16"],
} as const;

/** What the second stack takes over as it is. */
export interface Existing {
  readonly gateway: { readonly id: string; readonly addresses: readonly [string, string]; readonly vpcCidr: string };
  readonly activeCustomerGateway: string;
  readonly betaConnection: string;
  readonly betaActiveAddress: string;
  readonly betaStandbyAddress: string;
}

/** A new connection by one uplink on a gateway and a customer gateway that exist, and a box for a connection that exists. */
export function adoptedThings(ssh: SshOptions, existing: Existing): (stack: TerraformStack) => void {
  return (stack) => {
    const key = new TerraformVariable(stack, "gamma_key", { type: "string", sensitive: true });
    new DualTunnelVpn(stack, "gamma", {
      name: "gamma",
      gateway: DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "third-gateway", {
        vpnGatewayId: existing.gateway.id,
        activeIpsecAddress: existing.gateway.addresses[0],
        standbyIpsecAddress: existing.gateway.addresses[1],
        vpcCidrs: [existing.gateway.vpcCidr],
      }),
      customerGateways: CustomerGatewayPair.fromCustomerGatewayPairAttributes(stack, "customer-gateway", {
        activeCustomerGatewayId: existing.activeCustomerGateway,
        activeEgressIp: UPLINKS[0].egressIp,
      }),
      dataCenterCidrs: ["10.50.0.0/16"],
      uplinks: [uplink(0)],
      activeTunnel: { ...SAMPLE["gamma-1"], preSharedKey: PreSharedKey.fromVariable(key) },
      standbyTunnel: { ...SAMPLE["gamma-2"], preSharedKey: PreSharedKey.fromToken(key.stringValue) },
      agent: AGENT,
      ssh,
    });

    const tunnel = (index: 0 | 1) => ({
      ...SAMPLE[`beta-${index + 1}`],
      ipsecAddress: index === 0 ? existing.betaActiveAddress : existing.betaStandbyAddress,
      egressIp: UPLINKS[index].egressIp,
    });
    const beta = IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "beta", {
      ...BETA,
      vpnConnectionId: existing.betaConnection,
      activeTunnel: tunnel(0),
      standbyTunnel: tunnel(1),
    });
    new StrongswanHost(stack, "beta-box", { connection: beta, uplinks: [uplink(0), uplink(1)], agent: AGENT, ssh });
  };
}

/** Connections that the box cannot take beside the others: by name, what each of them is. */
export type Clashes = Readonly<
  Record<string, { readonly vpcCidr: string; readonly addresses: readonly [string, string] }>
>;

export function clashing(ssh: SshOptions, clashes: Clashes): (stack: TerraformStack) => void {
  return (stack) => {
    for (const [name, { vpcCidr, addresses }] of Object.entries(clashes)) {
      const tunnel = (index: 0 | 1) => ({
        ipsecAddress: addresses[index],
        egressIp: UPLINKS[index].egressIp,
        preSharedKey: PreSharedKey.unsafeLiteral(`never-used-${index}`),
      });
      const connection: IIpsecDualConnection = IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, name, {
        name,
        vpnConnectionId: "vco-of-no-account",
        vpcCidrs: [vpcCidr],
        dataCenterCidrs: [DATA_CENTER_CIDR],
        activeTunnel: tunnel(0),
        standbyTunnel: tunnel(1),
      });
      new StrongswanHost(stack, `${name}-box`, { connection, uplinks: [uplink(0), uplink(1)], ssh });
    }
  };
}
