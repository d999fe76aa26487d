// An emulated cloud without delays and what a connection needs in it, for tests that begin where it gets interesting.
import { startEmulatedCloud, type EmulatedCloud, type EmulatedCloudOptions } from "../../lab/cloud/server";
import { Gate, NO_DELAYS } from "./gate";
import { call } from "./rpc-client";

export const REGION = "ap-southeast-1";
export const PSK = { master: "psk-of-the-active-tunnel", slave: "psk-of-the-standby-tunnel" };

type Values = Readonly<Record<string, string>>;
/** Parameters over the usual ones; undefined leaves one out. */
export type Changes = Readonly<Record<string, string | undefined>>;

export class Site {
  readonly log: string[] = [];
  vpcId = "";
  vSwitchIds: string[] = [];
  gatewayId = "";
  customerGatewayIds: string[] = [];

  private constructor(
    readonly cloud: EmulatedCloud,
    readonly gate: Gate,
    log: string[],
  ) {
    this.log = log;
  }

  static async start(options: EmulatedCloudOptions = {}): Promise<Site> {
    const gate = new Gate();
    const log: string[] = [];
    const delays = { ...NO_DELAYS, ...options.delays };
    const cloud = await startEmulatedCloud({ cloudEnd: gate, log: (line) => log.push(line), ...options, delays });
    return new Site(cloud, gate, log);
  }

  /** A site with a VPC, a gateway that is active, and two customer gateways. */
  static async startWithGateway(options: EmulatedCloudOptions = {}): Promise<Site> {
    const site = await Site.start(options);
    await site.createVpc();
    await site.createGateway();
    for (const IpAddress of ["198.51.100.198", "203.0.113.181"]) {
      site.customerGatewayIds.push(
        String((await site.ok("CreateCustomerGateway", { IpAddress }))["CustomerGatewayId"]),
      );
    }
    return site;
  }

  async close(): Promise<void> {
    this.gate.open();
    await this.cloud.close();
  }

  /** Calls an action in the region and gives back its answer, which has to be a success. */
  async ok(action: string, parameters: Values = {}): Promise<Record<string, unknown>> {
    const { status, body } = await call(this.cloud.endpoint, action, { RegionId: REGION, ...parameters });
    if (status !== 200) throw new Error(`${action}: ${String(body["Code"])}: ${String(body["Message"])}`);
    return body;
  }

  /** Calls an action that has to be refused and gives back what it says. */
  async refusal(action: string, parameters: Values = {}): Promise<{ status: number; code: string; message: string }> {
    const { status, body } = await call(this.cloud.endpoint, action, { RegionId: REGION, ...parameters });
    if (status === 200) throw new Error(`${action} was not refused`);
    return { status, code: String(body["Code"]), message: String(body["Message"]) };
  }

  async createVpc(): Promise<void> {
    this.vpcId = String((await this.ok("CreateVpc", { CidrBlock: "192.168.0.0/16" }))["VpcId"]);
    for (const [index, zone] of ["a", "b"].entries()) {
      this.vSwitchIds.push(await this.createVSwitch(`192.168.${index + 1}.0/24`, `${REGION}${zone}`));
    }
  }

  async createVSwitch(CidrBlock: string, ZoneId: string): Promise<string> {
    return String((await this.ok("CreateVSwitch", { VpcId: this.vpcId, ZoneId, CidrBlock }))["VSwitchId"]);
  }

  async createGateway(changes: Changes = {}): Promise<void> {
    this.gatewayId = String((await this.ok("CreateVpnGateway", this.gatewayParameters(changes)))["VpnGatewayId"]);
    await this.cloud.settled();
  }

  gatewayParameters(changes: Changes = {}): Record<string, string> {
    const [VSwitchId, DisasterRecoveryVSwitchId] = this.vSwitchIds;
    return merged({ VpcId: this.vpcId, Bandwidth: "10", VSwitchId, DisasterRecoveryVSwitchId, ...changes });
  }

  async createConnection(changes: Changes = {}): Promise<string> {
    const answer = await this.ok("CreateVpnConnection", this.connectionParameters(changes));
    await this.cloud.settled();
    return String(answer["VpnConnectionId"]);
  }

  /** Changes of the tunnels are named `1.Role`, `2.TunnelIkeConfig.Psk` and so on. */
  connectionParameters(changes: Changes = {}): Record<string, string> {
    const [first, second] = this.customerGatewayIds;
    const tunnels: Changes = {
      "1.Role": "master",
      "1.CustomerGatewayId": first,
      "1.TunnelIkeConfig.Psk": PSK.master,
      "2.Role": "slave",
      "2.CustomerGatewayId": second,
      "2.TunnelIkeConfig.Psk": PSK.slave,
      ...changes,
    };
    const named = Object.entries(tunnels).map(([name, value]) => [
      /^\d\./.test(name) ? `TunnelOptionsSpecification.${name}` : name,
      value,
    ]);
    return merged({
      VpnGatewayId: this.gatewayId,
      LocalSubnet: "0.0.0.0/0",
      RemoteSubnet: "0.0.0.0/0",
      AutoConfigRoute: "false",
      ...(Object.fromEntries(named) as Changes),
    });
  }

  routeParameters(connectionId: string, changes: Changes = {}): Record<string, string> {
    return merged({
      VpnGatewayId: this.gatewayId,
      NextHop: connectionId,
      RouteDest: "172.16.0.0/16",
      PublishVpc: "true",
      Weight: "0",
      ...changes,
    });
  }

  async tunnels(connectionId: string): Promise<TunnelAnswer[]> {
    const answer = await this.ok("DescribeVpnConnection", { VpnConnectionId: connectionId });
    return (answer["TunnelOptionsSpecification"] as { TunnelOptions: TunnelAnswer[] }).TunnelOptions;
  }
}

/** What the tests read of a tunnel in DescribeVpnConnection's answer. */
export interface TunnelAnswer {
  readonly TunnelId: string;
  readonly Role: string;
  readonly State: string;
  readonly Status: string;
  readonly InternetIp: string;
  readonly ZoneNo: string;
  readonly CustomerGatewayId: string;
  readonly EnableDpd: boolean;
  readonly EnableNatTraversal: boolean;
  readonly TunnelIkeConfig: Readonly<Record<string, string | number>>;
  readonly TunnelIpsecConfig: Readonly<Record<string, string | number>>;
  readonly TunnelBgpConfig?: Readonly<Record<string, string>>;
}

function merged(values: Changes): Record<string, string> {
  return Object.fromEntries(Object.entries(values).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
}

/** Asks again until there is an answer. */
export async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
