import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import * as fc from "fast-check";
import { CustomerGatewayPair, DualTunnelVpn, PreSharedKey, Routing, RoutingMode, StrongswanHost } from "../../lib";
import { NEW_GATEWAY, newStack, problems, SITE, synthesized, synthesizedSite, UPLINK_1, UPLINK_2 } from "./site";

describe("a site", () => {
  it("names everything after itself, wherever it is in the construct tree", () => {
    const { resource } = synthesizedSite();
    expect(
      Object.entries(resource)
        .flatMap(([type, of]) => Object.keys(of).map((name) => `${type}.${name}`))
        .sort(),
    ).toEqual([
      "alicloud_vpn_connection.singapore_connection",
      "alicloud_vpn_customer_gateway.customer_gateway_198_51_100_198",
      "alicloud_vpn_customer_gateway.customer_gateway_203_0_113_181",
      "alicloud_vpn_gateway.singapore_gateway",
      "alicloud_vpn_route_entry.singapore_route_172_16_0_0_16",
      "null_resource.singapore_configure_box_over_ssh",
      "null_resource.singapore_prepare_box_over_ssh",
      "terraform_data.singapore_box",
      "terraform_data.singapore_box_presence",
      "terraform_data.singapore_gateway_second_vswitch",
    ]);
  });

  it("turns the hyphens of its name into underscores where Terraform and shells need it", () => {
    const { variable, resource } = synthesizedSite({ name: "hq-2" });
    expect(Object.keys(variable!)).toEqual(["hq_2_psk_active", "hq_2_psk_standby"]);
    expect(Object.keys(resource.null_resource)).toEqual(["hq_2_configure_box_over_ssh", "hq_2_prepare_box_over_ssh"]);
    expect(resource.terraform_data.hq_2_box_presence.triggers_replace).toEqual(["hq-2"]);
  });

  it("passes its tags, its provider and its gateway's options on", () => {
    const stack = newStack();
    const provider = new AlicloudProvider(stack, "second", { alias: "second", region: "ap-southeast-1" });
    new DualTunnelVpn(stack, "vpn", {
      ...SITE,
      provider,
      tags: { team: "net" },
      gateway: { ...NEW_GATEWAY, bandwidth: 100, resourceGroupId: "rg-1", description: "d", ignoreChanges: ["tags"] },
    });
    const { resource } = synthesized(stack);
    for (const [type, of] of Object.entries(resource).filter(([name]) => name.startsWith("alicloud_"))) {
      for (const made of Object.values(of)) {
        expect(made.provider).toBe("alicloud.second");
        if (!type.includes("route")) expect(made.tags).toEqual({ team: "net" });
      }
    }
    expect(resource.alicloud_vpn_gateway.singapore_gateway).toMatchObject({
      bandwidth: 100,
      resource_group_id: "rg-1",
      description: "d",
      lifecycle: { ignore_changes: ["tags"] },
    });
  });

  it("passes its connection's options on, and keeps them from its gateway", () => {
    const { resource } = synthesizedSite({ ignoreChanges: ["effect_immediately"] });
    expect(resource.alicloud_vpn_connection.singapore_connection.lifecycle).toMatchObject({
      ignore_changes: ["effect_immediately"],
    });
    expect(resource.alicloud_vpn_gateway.singapore_gateway.lifecycle).not.toHaveProperty("ignore_changes");
  });

  it("leaves every resource underneath within reach", () => {
    const stack = newStack();
    const vpn = new DualTunnelVpn(stack, "vpn", SITE);
    vpn.gateway.resource!.addOverride("timeouts.create", "30m");
    vpn.customerGateways.resources[1].addOverride("description", "second");
    vpn.connection.resource.addOverride("timeouts.update", "6m");
    vpn.connection.routes[0].addOverride("timeouts.create", "7m");
    vpn.host.configuration.addOverride("count", 1);
    vpn.host.presence.addOverride("count", 1);
    const { resource } = synthesized(stack);
    expect(resource).toMatchObject({
      alicloud_vpn_gateway: { singapore_gateway: { timeouts: { create: "30m" } } },
      alicloud_vpn_customer_gateway: { customer_gateway_203_0_113_181: { description: "second" } },
      alicloud_vpn_connection: { singapore_connection: { timeouts: { update: "6m" } } },
      alicloud_vpn_route_entry: { singapore_route_172_16_0_0_16: { timeouts: { create: "7m" } } },
      null_resource: { singapore_configure_box_over_ssh: { count: 1 } },
      terraform_data: { singapore_box_presence: { count: 1 } },
    });
  });

  it("has a gateway of its own beside others in a stack, and no order between them", () => {
    const stack = newStack();
    for (const [name, block, octet] of [
      ["one", "10.1.0.0/16", 1],
      ["two", "10.2.0.0/16", 2],
    ] as const) {
      new DualTunnelVpn(stack, name, {
        ...SITE,
        name,
        dataCenterCidrs: [block],
        uplinks: [{ ...UPLINK_1, egressIp: `198.51.100.${octet}` }],
        ssh: { ...SITE.ssh, host: `box-${name}` },
      });
    }
    expect(problems(stack)).toEqual([]);
    const { resource } = synthesized(stack);
    expect(resource.alicloud_vpn_connection.two_connection.depends_on).toEqual([
      "alicloud_vpn_gateway.two_gateway",
      "null_resource.two_prepare_box_over_ssh",
    ]);
  });
});

describe("whatever text a site is given", () => {
  it("is judged by the validations: making the constructs never fails", () => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom("", " ", "/", "10.0.0.0/8", "${var.x}", '${lookup(x, "y")}', "a b", "ä", "*"),
    );
    const uplink = fc.record({ address: text, gateway: text, egressIp: text, device: text });
    fc.assert(
      fc.property(
        fc.record({
          name: text,
          vpcCidrs: fc.array(text, { maxLength: 3 }),
          dataCenterCidrs: fc.array(text, { maxLength: 3 }),
          uplinks: fc.array(uplink, { maxLength: 3 }),
          routing: fc.oneof(
            fc.constantFrom(RoutingMode.DESTINATION, RoutingMode.POLICY),
            fc.array(text, { maxLength: 3 }).map((tunnelCidrs) => Routing.bgp({ tunnelCidrs })),
          ),
          host: text,
          id: text,
          zone: text,
        }),
        ({ host, id, zone, uplinks, ...site }) => {
          const vswitches = [
            { id: "vsw-1", zoneId: zone },
            { id: "vsw-2", zoneId: "ap-southeast-1b" },
          ] as const;
          const stack = newStack(zone);
          new DualTunnelVpn(stack, "vpn", {
            ...SITE,
            ...site,
            gateway: { vpc: { id: "vpc-1", cidrBlock: id }, vswitches },
            uplinks: uplinks,
            ssh: { ...SITE.ssh, host, user: id, privateKeyPath: zone },
            activeTunnel: { cloudId: id, preSharedKey: PreSharedKey.unsafeLiteral(zone) },
            tags: { [id]: zone },
            agent: { vpcProbeAddresses: [id] },
          });
          for (const sentence of problems(stack)) expect(sentence).toMatch(/\.$/);
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);
});

describe("two connections on one box", () => {
  it("share the customer gateways and nothing on the box", () => {
    const stack = newStack();
    const first = new DualTunnelVpn(stack, "first", { ...SITE, name: "first" });
    new DualTunnelVpn(stack, "second", {
      ...SITE,
      name: "second",
      gateway: { ...NEW_GATEWAY, vpc: { id: "vpc-2", cidrBlock: "10.64.0.0/16" } },
      customerGateways: first.customerGateways,
    });
    expect(problems(stack)).toEqual([]);
    const { resource, locals } = synthesized(stack);
    expect(Object.keys(resource.alicloud_vpn_customer_gateway)).toHaveLength(2);
    const numbers = ["first", "second"].flatMap((name) => [
      ...locals![`${name}_site_json`].matchAll(/"(?:ifId|table)": (\d+)/g),
    ]);
    expect(new Set(numbers.map(([, number]) => number)).size).toBe(4);
  });

  it("are refused with customer gateways of their own, which Alibaba Cloud would refuse at apply", () => {
    const stack = newStack();
    new DualTunnelVpn(stack, "first", { ...SITE, name: "first" });
    const gateway = { ...NEW_GATEWAY, vpc: { id: "vpc-2", cidrBlock: "10.64.0.0/16" } };
    new DualTunnelVpn(stack, "second", { ...SITE, name: "second", gateway });
    expect(problems(stack)).toEqual(
      [UPLINK_1, UPLINK_2].map(
        ({ egressIp }) =>
          `egressIp ${egressIp} has a customer gateway in test/first/customer-gateways, and Alibaba Cloud refuses a second one; share that one (customerGateways).`,
      ),
    );
  });

  it("are refused when the uplinks come in another order than the customer gateways", () => {
    const stack = newStack();
    const customerGateways = new CustomerGatewayPair(stack, "customer-gateways", {
      egressIps: [UPLINK_2.egressIp, UPLINK_1.egressIp],
    });
    new DualTunnelVpn(stack, "vpn", { ...SITE, customerGateways });
    expect(problems(stack)).toEqual([
      "uplinks[0].egressIp 198.51.100.198 is not the customer gateway's, 203.0.113.181; give the uplinks in the customer gateways' order.",
      "uplinks[1].egressIp 203.0.113.181 is not the customer gateway's, 198.51.100.198; give the uplinks in the customer gateways' order.",
    ]);
  });

  it("are refused when both are the other end of the same connection", () => {
    const stack = newStack();
    const { connection } = new DualTunnelVpn(stack, "vpn", SITE);
    new StrongswanHost(stack, "again", { connection, uplinks: SITE.uplinks, ssh: SITE.ssh });
    expect(problems(stack)).toEqual([
      "connection singapore has a box already, test/vpn/box; give each connection one.",
    ]);
  });
});
