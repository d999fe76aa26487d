// Odd but plausible inputs: expressions written as text, a construct called as we call ours, an alias that comes later.
import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { App, TerraformOutput, TerraformStack, TerraformVariable, Testing } from "cdktf";
import { loadConfig } from "../../bin/config";
import { DualTunnelVpn, DualTunnelVpnProps, IpsecDualConnection, PreSharedKey, StrongswanHost } from "../../lib";
import { outputs } from "./outputs";
import { newStack, problems, Resource, SITE, siteStack, synthesized, TWO_BOXES, UPLINK_1, UPLINK_2 } from "./site";

const TEXTS = [
  "${var.a}",
  "x${var.a}y",
  "${var.a}-${var.b}",
  'x${lookup(local.x, "a")}',
  '${join("", ["${var.a}", "x"])}',
];
const PLACES: Record<string, (text: string) => Partial<DualTunnelVpnProps>> = {
  preSharedKey: (text) => ({ activeTunnel: { preSharedKey: PreSharedKey.fromToken(text) } }),
  "ssh.host": (host) => ({ ssh: { ...SITE.ssh, host } }),
  "ssh.privateKeyPath": (privateKeyPath) => ({ ssh: { ...SITE.ssh, privateKeyPath } }),
  "ssh.scriptDirectory": (scriptDirectory) => ({ ssh: { ...SITE.ssh, scriptDirectory } }),
  dataCenterCidrs: (block) => ({ dataCenterCidrs: [block] }),
  vpcCidrs: (block) => ({ vpcCidrs: [block] }),
  egressIp: (egressIp) => ({ uplinks: [{ ...UPLINK_1, egressIp }, UPLINK_2] }),
  gateway: (gateway) => ({ uplinks: [{ ...UPLINK_1, gateway }, UPLINK_2] }),
  device: (device) => ({ uplinks: [{ ...UPLINK_1, device }, UPLINK_2] }),
  vpcProbeAddresses: (address) => ({ agent: { vpcProbeAddresses: [address] } }),
  virtualGateway: (virtualGateway) => ({ ...TWO_BOXES, virtualGateway }),
};

describe("an expression that is written as text", () => {
  it.each(["${var.a}-x", "x-${var.a}"])("within a pre-shared key is evaluated, and no letters: %s", (text) => {
    const stack = new TerraformStack(Testing.app(), "test");
    new TerraformVariable(stack, "a", { type: "string" });
    const key = PreSharedKey.fromToken(text);
    new TerraformOutput(stack, "key", { value: key.expression, sensitive: true });
    expect(outputs(stack, { a: "secret" })).toEqual({ key: text.replace("${var.a}", "secret") });
  });

  it.each(Object.keys(PLACES))("as %s is an expression everywhere, and its checks are of its value", (place) => {
    const warned = jest.spyOn(console, "warn");
    for (const text of TEXTS) {
      const stack = siteStack(PLACES[place](text));
      expect(problems(stack)).toEqual([]);
      // `$${` is `${` as letters.
      expect(Testing.synth(stack)).not.toContain("$${");
    }
    expect(warned).not.toHaveBeenCalled();
  });

  it("leaves the box's description JSON, whatever stands beside it", () => {
    for (const beside of ['"', "\\", "\n", "ü", "{"]) {
      const stack = siteStack({ uplinks: [{ ...UPLINK_1, device: `x${beside}\${var.a}` }, UPLINK_2] });
      const site = JSON.parse(String(synthesized(stack).locals!.singapore_site_json)) as Resource;
      expect(site).toMatchObject({ uplinks: [{ device: `x${beside}\${var.a}` }, {}] });
    }
  });

  it("is in the synthesized text as it was written", () => {
    const { resource } = synthesized(siteStack({ dataCenterCidrs: ["10.${var.site}.0.0/16"] }));
    const [route] = Object.values(resource.alicloud_vpn_route_entry);
    expect(route.route_dest).toBe("10.${var.site}.0.0/16");
  });
});

it("a site may be called dual-tunnel-vpn, and so may another construct beside it", () => {
  const stack = newStack();
  new DualTunnelVpn(stack, "dual-tunnel-vpn", SITE);
  expect(problems(stack)).toEqual([]);
  expect(Testing.synth(stack)).not.toContain("undefined");
  expect(() => new TerraformVariable(siteStack(), "dual-tunnel-vpn", {})).not.toThrow();
});

describe("customer gateways of a provider that gets an alias", () => {
  const moved = (stack: TerraformStack) =>
    (synthesized(stack) as unknown as { moved: { from: string; to: string }[] }).moved;
  const aliased = (...aliases: string[]) => {
    const stack = new TerraformStack(Testing.stubVersion(new App({ stackTraces: false })), "test");
    new NullProvider(stack, "null");
    const sites = aliases.map((alias, index) => {
      const provider = new AlicloudProvider(stack, alias, { alias, region: "ap-southeast-1" });
      const ssh = { ...SITE.ssh, host: `box-${alias}.example.com` };
      return new DualTunnelVpn(stack, `vpn-${alias}`, {
        ...SITE,
        name: `site-${index}`,
        ssh,
        provider,
        uplinks: [UPLINK_1],
      });
    });
    return { stack, sites };
  };
  const TYPE = "alicloud_vpn_customer_gateway";
  const OF_IP = "customer_gateway_198_51_100_198";

  it("are moved, not replaced", () => {
    expect(moved(aliased("asia").stack)).toEqual([
      { from: `${TYPE}.site_0_customer_gateway_1`, to: `${TYPE}.${OF_IP}` },
      { from: `${TYPE}.${OF_IP}`, to: `${TYPE}.asia_${OF_IP}` },
    ]);
  });

  it("are left where two may have been the one without", () => {
    expect(moved(aliased("asia", "europe").stack).map(({ from }) => from)).not.toContain(`${TYPE}.${OF_IP}`);
  });

  it("are moved by what the stack says, and then by nothing else", () => {
    const { stack, sites } = aliased("asia", "europe");
    sites[0].customerGateways.resources[0].moveFromId(`${TYPE}.${OF_IP}`);
    const ours = moved(stack).filter(({ to }) => to === `${TYPE}.asia_${OF_IP}`);
    expect(ours).toEqual([{ from: `${TYPE}.${OF_IP}`, to: `${TYPE}.asia_${OF_IP}` }]);
  });
});

it("a connection that exists may be described in one stack, and its box be in another", () => {
  const outdir = fs.mkdtempSync(path.join(os.tmpdir(), "two-stacks-"));
  const app = Testing.stubVersion(new App({ outdir, stackTraces: false }));
  const [theirs, ours] = ["theirs", "ours"].map((id) => new TerraformStack(app, id));
  new NullProvider(ours, "null");
  const connection = IpsecDualConnection.fromIpsecDualConnectionAttributes(theirs, "connection", {
    name: "singapore",
    vpnConnectionId: "vco-1",
    vpcCidrs: ["192.168.0.0/16"],
    dataCenterCidrs: ["172.16.0.0/16"],
    activeTunnel: { ipsecAddress: "192.0.2.152", egressIp: UPLINK_1.egressIp },
    standbyTunnel: { ipsecAddress: "192.0.2.10", egressIp: UPLINK_2.egressIp },
  });
  const uplinks = [UPLINK_1, UPLINK_2].map(({ address, gateway }) => ({ address, gateway }));
  new StrongswanHost(ours, "box", { connection, uplinks, ssh: SITE.ssh });
  app.synth();
  const text = fs.readFileSync(path.join(outdir, "stacks/ours/cdk.tf.json"), "utf8");
  const { variable = {} } = JSON.parse(text) as { variable?: object };
  const used = [...text.matchAll(/\bvar\.(\w+)/g)].map(([, name]) => name);
  expect(used.filter((name) => !(name in variable))).toEqual([]);
});

it("a tunnel's identities that only Terraform knows are checked at plan as text is at synth", () => {
  const stack = newStack();
  const id = new TerraformVariable(stack, "id", { type: "string" });
  new DualTunnelVpn(stack, "vpn", { ...SITE, activeTunnel: { peerId: id.stringValue, cloudId: id.stringValue } });
  const [connection] = Object.values(synthesized(stack).resource.alicloud_vpn_connection);
  const conditions = ((connection.lifecycle as Resource).precondition as Resource[]).map(({ condition }) =>
    String(condition),
  );
  const ofIds = conditions.filter((condition) => condition.includes("var.id"));
  expect(ofIds).toEqual(Array(2).fill('${can(regex("^[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}$", var.id))}'));
});

it("one variable given for two blocks is one block given twice", () => {
  const stack = newStack();
  const block = new TerraformVariable(stack, "block", { type: "string" });
  new DualTunnelVpn(stack, "vpn", { ...SITE, dataCenterCidrs: [block.stringValue, block.stringValue] });
  expect(problems(stack)).toEqual(["dataCenterCidrs ${var.block} is given twice; give it once."]);
});

it("a tag's length is not that of the tokens in it", () => {
  const stack = newStack();
  const part = new TerraformVariable(stack, "part", { type: "string" });
  new DualTunnelVpn(stack, "vpn", { ...SITE, tags: { owner: Array(7).fill(part.stringValue).join("/") } });
  expect(problems(stack)).toEqual([]);
});

describe("the example's file of parameters", () => {
  const said = (parameters: object) => {
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "parameters-")), "config.json");
    fs.writeFileSync(file, JSON.stringify(parameters));
    return loadConfig({ DUAL_TUNNEL_VPN_CONFIG: file }).problems;
  };

  it.each(["", "a b", "${x}"])("is told of a name that CDKTF would throw at: %j", (name) => {
    expect(said({ name })).toEqual([expect.stringMatching(/^DUAL_TUNNEL_VPN_CONFIG: name ".*" must be 1 to 11 /)]);
  });

  it("has two vSwitches, of which none is dropped", () => {
    const vswitch = { cidr: "192.168.10.0/24", zone: "ap-southeast-1a" };
    expect(said({ vswitches: [vswitch, vswitch, vswitch] })).toEqual([
      "DUAL_TUNNEL_VPN_CONFIG: vswitches has 3 entries; give two, the active tunnel's first.",
    ]);
  });
});
