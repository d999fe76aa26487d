// A connection that comes to BGP and leaves it again, by the real Terraform: what is changed in place, what is replaced, and
// what takes two deploys.
import { TerraformStack } from "cdktf";
import { CustomerGatewayPair, DualTunnelVpnGateway, IpsecDualConnection, Routing } from "../../lib";
import { Deployment } from "./deployment";
import { network } from "./sites";

jest.setTimeout(600_000);

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.start();
  deployment.variables = { a_psk_active: "key-of-a-active", a_psk_standby: "key-of-a-standby" };
});
afterEach(() => deployment.close());

interface Shape {
  readonly asn?: number;
  readonly bgp?: boolean;
  readonly autoPropagate?: boolean;
  readonly tunnelCidrs?: readonly string[];
}

const site =
  ({ asn, bgp = false, autoPropagate, tunnelCidrs = ["169.254.11.0/30", "169.254.12.0/30"] }: Shape) =>
  (stack: TerraformStack) => {
    const gateway = new DualTunnelVpnGateway(stack, "gateway", { ...network(stack, "net"), autoPropagate });
    const egressIps = ["198.51.100.1", "203.0.113.1"];
    new IpsecDualConnection(stack, "a", {
      name: "a",
      gateway,
      customerGateways: new CustomerGatewayPair(stack, "pair", { egressIps, asn }),
      dataCenterCidrs: ["172.16.0.0/16"],
      routing: bgp ? Routing.bgp({ tunnelCidrs }) : undefined,
    });
  };
const synthesize = (shape: Shape) => deployment.synthesize({ test: site(shape) });
const deploy = async (shape: Shape) => {
  synthesize(shape);
  await deployment.apply("test");
  expect(await deployment.pending("test")).toBe("");
};
const sessions = () => deployment.cloud.state().connections[0]?.tunnels.map((tunnel) => tunnel.bgp?.cloudAddress);
const routes = () => deployment.cloud.state().routes.map(({ destination }) => destination);

const GATEWAY = "alicloud_vpn_gateway.gateway";
const CONNECTION = "alicloud_vpn_connection.a_connection";
const ROUTE = "alicloud_vpn_route_entry.a_route_172_16_0_0_16";

describe("a connection", () => {
  it("is made with BGP, changed in it, and destroyed with it", async () => {
    const on = { asn: 65010, bgp: true, autoPropagate: true };
    await deploy(on);
    expect([sessions(), routes()]).toEqual([["169.254.11.1", "169.254.12.1"], []]);
    synthesize({ ...on, tunnelCidrs: ["169.254.12.0/30", "169.254.11.0/30"] });
    expect(await deployment.planned("test")).toEqual({ [CONNECTION]: "update" });
    await deployment.apply("test");
    expect(await deployment.pending("test")).toBe("");
    expect(sessions()).toEqual(["169.254.12.1", "169.254.11.1"]);
    await deployment.destroy("test");
    expect(deployment.cloud.state()).toEqual({ gateways: [], connections: [], routes: [] });
  });

  it("that had an AS number from the beginning comes to BGP in place, and leaves it in two deploys", async () => {
    await deploy({ asn: 65010 });
    const ids = deployment.ids("test");
    expect([sessions(), routes()]).toEqual([[undefined, undefined], ["172.16.0.0/16"]]);

    const on = { asn: 65010, bgp: true, autoPropagate: true };
    synthesize(on);
    expect(await deployment.planned("test")).toEqual({
      [GATEWAY]: "update",
      [CONNECTION]: "update",
      [ROUTE]: "delete",
    });
    await deployment.apply("test");
    expect(await deployment.pending("test")).toBe("");
    expect([sessions(), routes()]).toEqual([["169.254.11.1", "169.254.12.1"], []]);

    // Terraform changes the gateway first, which is what Alibaba Cloud refuses.
    synthesize({ asn: 65010 });
    const { status, output } = await deployment.run("test", "apply", "-auto-approve");
    expect([status, output.includes("OperationDenied.BgpEnabled")]).toEqual([1, true]);

    await deploy({ asn: 65010, autoPropagate: true });
    expect([sessions(), routes()]).toEqual([[undefined, undefined], ["172.16.0.0/16"]]);
    await deploy({ asn: 65010 });
    expect(deployment.cloud.state().gateways[0]?.autoPropagate).toBe(false);
    expect(deployment.ids("test")).toEqual({ ...ids, [ROUTE]: deployment.ids("test")[ROUTE] });
  });

  it("that gets an AS number later is replaced with its customer gateways and its routes", async () => {
    await deploy({});
    synthesize({ asn: 65010 });
    expect(await deployment.planned("test")).toEqual({
      "alicloud_vpn_customer_gateway.customer_gateway_198_51_100_1": "delete create",
      "alicloud_vpn_customer_gateway.customer_gateway_203_0_113_1": "delete create",
      [CONNECTION]: "delete create",
      [ROUTE]: "delete create",
    });
    await deployment.apply("test");
    expect(await deployment.pending("test")).toBe("");
  });

  it("whose BGP alone is switched, with the blocks unchanged, sends nothing: the provider does not see that change", async () => {
    const on = { asn: 65010, bgp: true, autoPropagate: true };
    await deploy(on);
    const stack = deployment.stackDirectory("test");
    const { readFileSync, writeFileSync } = await import("node:fs");
    const file = `${stack}/cdk.tf.json`;
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace('"enable_tunnels_bgp": true', '"enable_tunnels_bgp": false'));
    const before = deployment.cloud.calls.length;
    await deployment.apply("test");
    expect(deployment.cloud.calls.slice(before).map(({ action }) => action)).not.toContain(
      "ModifyVpnConnectionAttribute",
    );
    expect(await deployment.pending("test")).toMatch(/enable_tunnels_bgp += true -> false/);
  });
});
