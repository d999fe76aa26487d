// The permissions that the guide asks for are those that a stack's whole life needs, and no more.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Vpc } from "@cdktf/provider-alicloud/lib/vpc";
import { Vswitch } from "@cdktf/provider-alicloud/lib/vswitch";
import { TerraformOutput, TerraformStack } from "cdktf";
import type { Call } from "../../lab/cloud/call-log";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { cacheDirectory } from "../../lab/cache";
import { prepareProviders } from "../../lab/terraform/providers";
import { CustomerGatewayPair, DualTunnelVpnGateway, IpsecDualConnection, PreSharedKey, RoutingMode } from "../../lib";
import { NO_DELAYS } from "../cloud/gate";
import { call } from "../cloud/rpc-client";
import { StackDeployment } from "../lab/stack-deployment";
import { ROOT } from "./project";

jest.setTimeout(300_000);

interface Policy {
  readonly Statement: readonly [{ readonly Action: readonly string[] }, { readonly Action: readonly string[] }];
}
const guide = fs.readFileSync(path.join(ROOT, "docs/guides/permissions.md"), "utf8");
const [always, ownVpc] = (
  JSON.parse(/<!-- policy -->\n```json\n([^]*?)```/.exec(guide)?.[1] ?? "{}") as Policy
).Statement.map((statement) => statement.Action.map((action) => action.replace(/^vpc:/, "")));
const ofVpcs = (action: string) => /Vpc(?!n)|VSwitch|RouteTable/.test(action) && !/Vpn/.test(action);

let cloud: EmulatedCloud;
let directory: string;
/** Which of the stack's values change: 0 as made, 1 changed, 2 without tags. */
let stage = 0;
const called: Call[] = [];
let connections: Record<string, IpsecDualConnection> = {};

function build(stack: TerraformStack): void {
  const tags: Record<string, string> | undefined = stage === 2 ? undefined : { stage: String(stage) };
  const vpc = new Vpc(stack, "vpc", { vpcName: `vpc-${stage}`, cidrBlock: "192.168.0.0/16", tags });
  const vswitch = (name: string, zoneId: string, cidrBlock: string) =>
    new Vswitch(stack, name, { vpcId: vpc.id, zoneId, cidrBlock, vswitchName: `${name}-${stage}`, tags });
  const gateway = new DualTunnelVpnGateway(stack, "gateway", {
    name: `gateway-${stage}`,
    vpc,
    vswitches: [vswitch("a", "ap-southeast-1a", "192.168.1.0/24"), vswitch("b", "ap-southeast-1b", "192.168.2.0/24")],
    description: `stage ${stage}`,
    resourceGroupId: stage === 0 ? "rg-made" : "rg-moved",
    tags,
  });
  connections = {};
  for (const [name, routing, block, egressIp] of [
    ["by-routes", RoutingMode.DESTINATION, "172.16.0.0/16", "198.51.100.198"],
    ["by-policy", RoutingMode.POLICY, "10.20.0.0/16", "203.0.113.181"],
  ] as const) {
    const preSharedKey = PreSharedKey.unsafeLiteral(`${name}-${stage}`);
    connections[name] = new IpsecDualConnection(stack, name, {
      name,
      gateway,
      customerGateways: new CustomerGatewayPair(stack, `${name}-egress`, {
        name: `${name}-${stage}`,
        egressIps: [egressIp],
        tags,
      }),
      dataCenterCidrs: [block],
      routing,
      publishRoutes: stage === 0,
      activeTunnel: { preSharedKey },
      standbyTunnel: { preSharedKey },
      tags,
    });
    new TerraformOutput(stack, `${name}-id`, { value: connections[name].vpnConnectionId }).overrideLogicalId(name);
  }
  new TerraformOutput(stack, "gateway-id", { value: gateway.vpnGatewayId }).overrideLogicalId("gateway");
}

/** What someone does to a route in the console. */
async function turnWeight(
  kind: "Route" | "PbrRoute",
  connection: IpsecDualConnection,
  outputs: Record<string, string>,
) {
  const answer = await call(cloud.endpoint, `ModifyVpn${kind}EntryWeight`, {
    RegionId: "ap-southeast-1",
    VpnGatewayId: outputs.gateway,
    NextHop: outputs[connection.name],
    RouteDest: connection.dataCenterCidrs[0],
    ...(kind === "PbrRoute" ? { RouteSource: connection.vpcCidrs[0] } : {}),
    Weight: "100",
    NewWeight: "0",
  });
  expect(answer).toMatchObject({ status: 200 });
}

beforeAll(async () => {
  cloud = await startEmulatedCloud({ delays: NO_DELAYS });
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-permissions-"));
  const { env } = await prepareProviders({ cacheDir: cacheDirectory(), choice: "stand-in" });
  const stack = new StackDeployment({ name: "life", directory, endpoint: cloud.endpoint, providerEnv: env, build });
  const run = async (does: () => Promise<string>) => {
    const before = cloud.calls.length;
    await does();
    called.push(...cloud.calls.slice(before).filter(({ status }) => status === 200));
  };
  await run(() => stack.apply());
  const outputs = await stack.outputs();
  await turnWeight("Route", connections["by-routes"], outputs);
  await turnWeight("PbrRoute", connections["by-policy"], outputs);
  for (stage of [1, 2]) await run(() => stack.apply());
  await run(() => stack.destroy());
});
afterAll(async () => {
  await cloud.close();
  fs.rmSync(directory, { recursive: true, force: true });
});

const actions = (which: (action: string) => boolean) =>
  [...new Set(called.map(({ action }) => action))].filter(which).sort();

it("asks for every action of a stack's life and no other", () => {
  expect(always).toEqual(actions((action) => !ofVpcs(action)));
});

it("asks for those that VPCs and vSwitches need apart", () => {
  expect(ownVpc).toEqual(actions(ofVpcs));
});

it("asks for every action that the real provider was recorded to call", () => {
  const recordings = path.join(ROOT, "test/cloud/recordings");
  const recorded = fs
    .readdirSync(recordings)
    .filter((file) => file.endsWith(".jsonl"))
    .flatMap((file) => fs.readFileSync(path.join(recordings, file), "utf8").trim().split("\n"))
    .map((line) => (JSON.parse(line) as { action: string }).action);
  expect([...new Set(recorded)].filter((action) => ![...always, ...ownVpc].includes(action))).toEqual([]);
});
