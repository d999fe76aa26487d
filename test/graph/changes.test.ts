// What one deploy changes at once, by the real Terraform: each ends well, and then nothing is left to do.
import { Vpc } from "@cdktf/provider-alicloud/lib/vpc";
import { Vswitch } from "@cdktf/provider-alicloud/lib/vswitch";
import { TerraformStack } from "cdktf";
import {
  CustomerGatewayPair,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  IpsecDualConnection,
  type DualTunnelVpnProps,
  type SshOptions,
} from "../../lib";
import { StandInBox } from "./box";
import { Deployment, REGION } from "./deployment";
import { network } from "./sites";

jest.setTimeout(600_000);

let deployment: Deployment;
beforeEach(async () => (deployment = await Deployment.start()));
afterEach(() => deployment.close());

const A = "198.51.100.1";
const B = "198.51.100.2";
const keysOf = (...names: string[]) =>
  Object.fromEntries(
    names.flatMap((name) => ["active", "standby"].map((role) => [`${name}_psk_${role}`, `key-of-${name}-${role}`])),
  );
const deploy = async (build: (stack: TerraformStack) => void) => {
  deployment.synthesize({ test: build });
  await deployment.apply("test");
  expect(await deployment.pending("test")).toBe("");
};

describe("an egress IP", () => {
  const sites = (
    stack: TerraformStack,
    gateway: DualTunnelVpnGateway,
    egressIps: Record<string, string[]>,
    prefix: string,
  ) => {
    Object.entries(egressIps).forEach(([name, ends], index) => {
      new IpsecDualConnection(stack, name, {
        name,
        gateway,
        customerGateways: new CustomerGatewayPair(stack, `${name}-gateways`, {
          egressIps: ends.map((end) => `${prefix}${end}`),
        }),
        dataCenterCidrs: [`10.${index}.0.0/16`],
      });
    });
  };

  it("keeps its customer gateway when it moves to the other tunnel or to another site", async () => {
    const moves: Record<string, [Record<string, string[]>, Record<string, string[]>]> = {
      "becomes the standby tunnel's as another comes": [{ a: ["2"] }, { a: ["1", "2"] }],
      "changes place with the other": [{ b: ["1", "2"] }, { b: ["2", "1"] }],
      "moves up as the other goes and a third comes": [{ c: ["1", "2"] }, { c: ["2", "3"] }],
      "moves to another site": [
        { d: ["1", "2"], e: ["3"] },
        { d: ["1"], e: ["2"] },
      ],
    };
    deployment.variables = keysOf("a", "b", "c", "d", "e");
    const step = (number: 0 | 1) => (stack: TerraformStack) =>
      Object.values(moves).forEach((move, index) => {
        const gateway = new DualTunnelVpnGateway(stack, `gateway-${index}`, network(stack, `net-${index}`));
        sites(stack, gateway, move[number], `203.0.113.${index + 1}`);
      });
    const kept = () =>
      Object.keys(moves).map(
        (_, index) => deployment.ids("test")[`alicloud_vpn_customer_gateway.customer_gateway_203_0_113_${index + 1}2`],
      );
    await deploy(step(0));
    const before = kept();
    expect(before).toEqual(before.map(() => expect.stringMatching(/^cgw-/) as string));
    await deploy(step(1));
    expect(kept()).toEqual(before);
  });
});

it("customer gateways that exist are imported under addresses that name their egress IPs", async () => {
  deployment.synthesize({
    elsewhere: (stack) => void new CustomerGatewayPair(stack, "theirs", { egressIps: [A, B] }),
  });
  await deployment.apply("elsewhere");
  const theirs = Object.values(deployment.ids("elsewhere")).sort();
  await deploy((stack) => {
    const pair = new CustomerGatewayPair(stack, "ours", { egressIps: [A, B], name: "theirs" });
    const ids = deployment.ids("elsewhere");
    for (const resource of pair.resources) {
      resource.importFrom(ids[`alicloud_vpn_customer_gateway.${resource.friendlyUniqueId}`]);
    }
  });
  expect(Object.values(deployment.ids("test")).sort()).toEqual(theirs);
});

describe("the second vSwitch of a gateway", () => {
  const build = (zoneBlock: string, second: "b" | "c") => (stack: TerraformStack) => {
    const vpc = new Vpc(stack, "vpc", { vpcName: "test", cidrBlock: "192.168.0.0/16" });
    const vswitch = (id: string, zone: string, cidrBlock: string) =>
      new Vswitch(stack, id, { vpcId: vpc.id, cidrBlock, zoneId: `${REGION}${zone}` });
    const first = vswitch("a", "a", "192.168.1.0/24");
    const others = { b: vswitch("b", "b", zoneBlock), c: vswitch("c", "b", "192.168.3.0/24") };
    new DualTunnelVpnGateway(stack, "gateway", { vpc, vswitches: [first, others[second]] });
  };

  it("replaces the gateway when it is another one or is replaced itself, and the plan says why", async () => {
    await deploy(build("192.168.2.0/24", "b"));
    const ids = [deployment.ids("test")["alicloud_vpn_gateway.gateway"]];
    for (const next of [build("192.168.2.0/24", "c"), build("192.168.4.0/24", "b"), build("192.168.5.0/24", "b")]) {
      deployment.synthesize({ test: next });
      const { text, changes } = await deployment.plan("test");
      expect(text).toContain("alicloud_vpn_gateway.gateway will be replaced due to changes in replace_triggered_by");
      expect(changes.map(({ address }) => address)).toContain("terraform_data.gateway_second_vswitch");
      await deploy(next);
      ids.push(deployment.ids("test")["alicloud_vpn_gateway.gateway"]);
    }
    expect(new Set(ids).size).toBe(4);
  });
});

describe("a box", () => {
  const boxes: StandInBox[] = [];
  const startBox = async () => {
    const box = await StandInBox.start();
    boxes.push(box);
    return box;
  };
  afterEach(() => Promise.all(boxes.splice(0).map((box) => box.close())));

  const site =
    (ssh: SshOptions, changes: Partial<DualTunnelVpnProps> = {}) =>
    (stack: TerraformStack) =>
      new DualTunnelVpn(stack, "vpn", {
        name: "xx",
        gateway: network(stack, "net"),
        dataCenterCidrs: ["10.1.0.0/16"],
        uplinks: [{ address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: A }],
        ssh,
        ...changes,
      });
  beforeEach(() => (deployment.variables = keysOf("xx", "yy")));

  it("is configured again when it is another machine, and uninstalled only from another host", async () => {
    const [box, rebuilt] = [await startBox(), await startBox()];
    await deploy(site(box.ssh));
    await deploy(site({ ...box.ssh, port: 22, user: "admin", privateKeyPath: rebuilt.keyPath }));
    expect(box.applied).toEqual(["xx"]);

    // Only the host key tells that it is another machine: a port may be another one for the same.
    await deploy(site(rebuilt.ssh));
    expect(rebuilt.applied).toEqual(["xx"]);

    await deploy(site({ ...rebuilt.ssh, host: "localhost", formerHost: "127.0.0.1" }));
    expect(rebuilt.applied).toEqual(["xx", "xx"]);
    expect([...box.uninstalled, ...rebuilt.uninstalled]).toEqual([]);

    const other = await startBox();
    await deploy(site({ ...other.ssh, host: "localhost" }));
    expect(rebuilt.uninstalled).toEqual(["xx"]);
    expect(other.applied).toEqual(["xx"]);
    expect(other.uninstalled).toEqual([]);
  });

  it("that is dead stops a deploy of its successor and a destroy, unless it may be gone", async () => {
    const dead = await startBox();
    const fresh = await startBox();
    await deploy(site({ ...dead.ssh, timeout: "2s" }));
    await dead.close();
    boxes.splice(boxes.indexOf(dead), 1);

    const next = { ...fresh.ssh, host: "localhost", timeout: "2s" };
    deployment.synthesize({ test: site(next) });
    const refused = await deployment.run("test", "apply", "-auto-approve");
    expect(refused.status).not.toBe(0);
    expect(fresh.applied).toEqual([]);

    deployment.synthesize({ test: site({ ...next, boxMayBeGone: true }) });
    const command = (host: string) =>
      `if ${host} was not reached and is not gone, run this there: sudo /usr/local/sbin/dual-tunnel-vpn uninstall xx\n`;
    expect(await deployment.apply("test")).toContain(command("127.0.0.1"));
    expect(await deployment.pending("test")).toBe("");
    expect(fresh.applied).toEqual(["xx"]);
    await fresh.close();
    boxes.splice(boxes.indexOf(fresh), 1);
    const output = await deployment.destroy("test");
    expect(output).toContain(command("localhost"));
    expect(output).toContain("Destroy complete!");
  });

  it("shows in a plan which part of it changes, and no key", async () => {
    const box = await startBox();
    await deploy(site(box.ssh));
    const shown = async (changes: Partial<DualTunnelVpnProps>) => {
      deployment.synthesize({ test: site(box.ssh, changes) });
      const { text } = await deployment.plan("test");
      expect(text).not.toContain("key-of");
      const triggers = /~ triggers += \{[^}]*\}/.exec(text)?.[0] ?? "";
      return [...triggers.matchAll(/~ "(\w+)"/g)].map(([, name]) => name);
    };
    expect(await shown({ routeMetric: 50 })).toEqual(["site"]);
    expect(await shown({ standbyTunnel: { dpd: false } })).toEqual(["tunnel_2"]);
    deployment.variables = { ...keysOf("xx"), xx_psk_active: "key-of-another" };
    expect(await shown({})).toEqual(["keys"]);
    deployment.synthesize({ test: site(box.ssh) });
    expect((await deployment.plan("test")).text).toMatch(/"keys" += \(sensitive value\)/);
  });

  it("and everything in the cloud is kept when a site is renamed as the guide says", async () => {
    const box = await startBox();
    await deploy(site(box.ssh));
    const before = Object.entries(deployment.ids("test")).filter(([address]) => address.startsWith("alicloud_"));
    const renamed = (stack: TerraformStack) => {
      const { gateway, connection, host } = site(box.ssh, { name: "yy" })(stack);
      gateway.resource?.moveFromId("alicloud_vpn_gateway.xx_gateway");
      connection.resource.moveFromId("alicloud_vpn_connection.xx_connection");
      for (const route of connection.routes) {
        route.moveFromId(`${route.terraformResourceType}.${route.friendlyUniqueId.replace(/^yy_/, "xx_")}`);
      }
      host.presence.moveFromId("terraform_data.xx_box_presence");
    };
    await deploy(renamed);
    const after = Object.entries(deployment.ids("test")).filter(([address]) => address.startsWith("alicloud_"));
    expect(after.map(([, id]) => id).sort()).toEqual(before.map(([, id]) => id).sort());
    expect(box.uninstalled).toEqual(["xx"]);
    expect(box.applied).toEqual(["xx", "yy"]);
    await deploy(site(box.ssh, { name: "yy" }));
  });
});
