// What docs/guides/import.md says of resources made by hand: which options they need from the start, and what happens
// without them.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Vpc } from "@cdktf/provider-alicloud/lib/vpc";
import { Vswitch } from "@cdktf/provider-alicloud/lib/vswitch";
import { TerraformStack } from "cdktf";
import { cacheDirectory } from "../../lab/cache";
import { prepareProviders } from "../../lab/terraform/providers";
import {
  Charge,
  CustomerGatewayPair,
  CustomerGatewayPairProps,
  DualTunnelVpnGateway,
  DualTunnelVpnGatewayProps,
  IpsecDualConnection,
  IpsecDualConnectionProps,
  PreSharedKey,
  RoutingMode,
} from "../../lib";
import { PSK, Site } from "../cloud/fixture";
import { StackDeployment } from "../lab/stack-deployment";
import { ROOT } from "./project";

jest.setTimeout(300_000);

const EGRESS_IPS = ["198.51.100.198", "203.0.113.181"] as const;
const BLOCK = "172.16.0.0/16";

let site: Site;
let connectionId: string;
let directory: string;
let deployment: StackDeployment;
let env: NodeJS.ProcessEnv;

/** What the stack says beside what the guide's example says. */
let more: {
  gateway?: Partial<DualTunnelVpnGatewayProps>;
  customerGateways?: Partial<CustomerGatewayPairProps>;
  connection?: Partial<IpsecDualConnectionProps>;
};

function build(stack: TerraformStack): void {
  const [first, second] = site.vSwitchIds;
  const gateway = new DualTunnelVpnGateway(stack, "gateway", {
    name: "by-hand",
    vpc: { id: site.vpcId, cidrBlock: "192.168.0.0/16" },
    vswitches: [{ id: first }, { id: second }],
    bandwidth: 10,
    ...more.gateway,
  });
  gateway.resource.importFrom(site.gatewayId);
  const customerGateways = new CustomerGatewayPair(stack, "customer-gateways", {
    name: "by-hand",
    egressIps: EGRESS_IPS,
    ...more.customerGateways,
  });
  customerGateways.resources.forEach((resource, index) => resource.importFrom(site.customerGatewayIds[index]));
  const connection = new IpsecDualConnection(stack, "connection", {
    name: "by-hand",
    gateway,
    customerGateways,
    dataCenterCidrs: [BLOCK],
    routing: RoutingMode.POLICY,
    activeTunnel: { preSharedKey: PreSharedKey.unsafeLiteral(PSK.master) },
    standbyTunnel: { preSharedKey: PreSharedKey.unsafeLiteral(PSK.slave) },
    ...more.connection,
  });
  connection.resource.importFrom(connectionId);
  connection.routes[0].importFrom(`${site.gatewayId}:${connectionId}:192.168.0.0/16:${BLOCK}`);
}

const AS_THE_GUIDE_SAYS = {
  gateway: { charge: Charge.subscription(1), ignoreChanges: ["enable_ssl"] },
  customerGateways: { ignoreChanges: ["asn"] },
  connection: { ignoreChanges: ["auto_config_route"] },
};

/** The blocks of a plan by what happens to the resource: `# alicloud_… must be replaced`. */
const happensTo = (plan: string | undefined, resource: string) =>
  new RegExp(`^ +# ${resource}\\S* (.*)$`, "m").exec(plan ?? "")?.[1];

async function written(
  does: () => Promise<unknown>,
): Promise<{ action: string; parameters: Record<string, string> }[]> {
  const before = site.cloud.calls.length;
  await does();
  return site.cloud.calls
    .slice(before)
    .filter(({ action, status }) => status === 200 && !action.startsWith("Describe"))
    .map(({ action, parameters }) => ({ action, parameters: { ...parameters } }));
}

beforeAll(async () => {
  site = await Site.start({ ipsecAddresses: ["192.0.2.152", "192.0.2.10", "192.0.2.153", "192.0.2.11"] });
  await site.createVpc();
  await site.createGateway({ InstanceChargeType: "PREPAY", Period: "1", EnableSsl: "true", Name: "by-hand" });
  for (const [index, IpAddress] of EGRESS_IPS.entries()) {
    const answer = await site.ok("CreateCustomerGateway", { IpAddress, Asn: "65001", Name: `by-hand-${index + 1}` });
    site.customerGatewayIds.push(String(answer["CustomerGatewayId"]));
  }
  connectionId = await site.createConnection({
    Name: "by-hand",
    LocalSubnet: "192.168.0.0/16",
    RemoteSubnet: BLOCK,
    AutoConfigRoute: "true",
  });
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-import-"));
  ({ env } = await prepareProviders({ cacheDir: cacheDirectory(), choice: "stand-in" }));
  deployment = new StackDeployment({
    name: "by-hand",
    directory,
    endpoint: site.cloud.endpoint,
    providerEnv: env,
    build,
  });
});
afterAll(async () => {
  await site.close();
  fs.rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => (more = AS_THE_GUIDE_SAYS));

describe("before the import", () => {
  it("a Subscription gateway without its charge would be replaced", async () => {
    more = { ...AS_THE_GUIDE_SAYS, gateway: { ignoreChanges: ["enable_ssl"] } };
    expect(happensTo(await deployment.pendingChanges(), "alicloud_vpn_gateway\\.")).toBe("must be replaced");
  });

  it("customer gateways with an ASN would be replaced unless it is ignored", async () => {
    more = { ...AS_THE_GUIDE_SAYS, customerGateways: {} };
    expect(happensTo(await deployment.pendingChanges(), "alicloud_vpn_customer_gateway")).toBe("must be replaced");
  });

  it("nothing would be replaced when all is said that the guide says", async () => {
    const plan = await deployment.pendingChanges();
    expect(plan).toContain("5 to import, 1 to add");
    expect(plan).toContain("0 to destroy");
  });
});

describe("after the import", () => {
  let atImport: Awaited<ReturnType<typeof written>>;
  beforeAll(async () => {
    more = AS_THE_GUIDE_SAYS;
    atImport = await written(() => deployment.apply());
  });

  it("nothing is left to change", async () => {
    expect(await deployment.pendingChanges()).toBeUndefined();
  });

  it("SSL-VPN that was switched on by hand shows in every plan unless it is ignored", async () => {
    more = { ...AS_THE_GUIDE_SAYS, gateway: { charge: Charge.subscription(1) } };
    expect(happensTo(await deployment.pendingChanges(), "alicloud_vpn_gateway\\.")).toBe("will be updated in-place");
    expect(await written(() => deployment.apply())).toEqual([]);
    expect(happensTo(await deployment.pendingChanges(), "alicloud_vpn_gateway\\.")).toBe("will be updated in-place");
  });

  it("a longer subscription is a success without a call", async () => {
    more = { ...AS_THE_GUIDE_SAYS, gateway: { ...AS_THE_GUIDE_SAYS.gateway, charge: Charge.subscription(24) } };
    expect(happensTo(await deployment.pendingChanges(), "alicloud_vpn_gateway\\.")).toBe("will be updated in-place");
    expect(await written(() => deployment.apply())).toEqual([]);
  });

  it("a changed connection keeps the routes that the cloud made only where auto_config_route is ignored", async () => {
    const routes = async () => {
      const answer = await site.ok("DescribeVpnPbrRouteEntries", { VpnGatewayId: site.gatewayId });
      return (answer["VpnPbrRouteEntries"] as { VpnPbrRouteEntry: unknown[] }).VpnPbrRouteEntry.length;
    };
    const said = (calls: Awaited<ReturnType<typeof written>>) =>
      calls
        .filter(({ action }) => action === "ModifyVpnConnectionAttribute")
        .map(({ parameters }) => parameters.AutoConfigRoute);
    expect({ said: said(atImport), routes: await routes() }).toEqual({ said: [undefined], routes: 1 });

    more = { ...AS_THE_GUIDE_SAYS, connection: { effectImmediately: false } };
    expect({ said: said(await written(() => deployment.apply())), routes: await routes() }).toEqual({
      said: ["false"],
      routes: 0,
    });
  });
});

it("fails to destroy a VPC that a Subscription gateway is in, and leaves the gateway running", async () => {
  const own = new StackDeployment({
    name: "own-vpc",
    directory,
    endpoint: site.cloud.endpoint,
    providerEnv: env,
    build: (stack) => {
      const timeouts = { delete: "3s" };
      const vpc = new Vpc(stack, "vpc", { cidrBlock: "10.0.0.0/8", timeouts });
      const vswitches = ["a", "b"].map(
        (zone, index) =>
          new Vswitch(stack, zone, {
            vpcId: vpc.id,
            zoneId: `ap-southeast-1${zone}`,
            cidrBlock: `10.${index}.0.0/16`,
            timeouts,
          }),
      );
      new DualTunnelVpnGateway(stack, "gateway", {
        vpc,
        vswitches: [vswitches[0], vswitches[1]],
        charge: Charge.subscription(1),
      });
    },
  });
  await own.apply();
  await expect(own.destroy()).rejects.toThrow(/DependencyViolation/);
  const gateways = site.cloud.calls.filter(({ action }) => action === "DeleteVpnGateway");
  expect(gateways).toEqual([]);
});

it("is said in the guide", () => {
  const guide = fs.readFileSync(path.join(ROOT, "docs/guides/import.md"), "utf8");
  for (const { ignoreChanges } of Object.values(AS_THE_GUIDE_SAYS)) {
    expect(guide).toContain(`ignoreChanges: ${JSON.stringify(ignoreChanges)}`);
  }
});
