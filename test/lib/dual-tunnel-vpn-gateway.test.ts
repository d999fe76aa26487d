import { Vpc } from "@cdktf/provider-alicloud/lib/vpc";
import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { Vswitch } from "@cdktf/provider-alicloud/lib/vswitch";
import { Token } from "cdktf";
import { Charge, DualTunnelVpn, DualTunnelVpnGateway, DualTunnelVpnGatewayProps, GatewayNetworkType } from "../../lib";
import { NEW_GATEWAY, newStack, problems, SITE, synthesized, warnings } from "./site";

const { vpc, vswitches } = NEW_GATEWAY;
const SECOND_VSWITCH = "terraform_data.gateway_second_vswitch";

/** A stack with one gateway: the page's, changed where the test wants it. */
function gatewayStack(changes: Partial<DualTunnelVpnGatewayProps> = {}, region?: string) {
  const stack = newStack(region);
  new DualTunnelVpnGateway(stack, "gateway", { vpc, vswitches, ...changes });
  return stack;
}

const gateway = (changes: Partial<DualTunnelVpnGatewayProps> = {}) =>
  synthesized(gatewayStack(changes)).resource.alicloud_vpn_gateway.gateway;

describe("a VPN gateway", () => {
  it("is public, paid for by data transfer and for IPsec only, unless asked for otherwise", () => {
    expect(gateway()).toMatchObject({
      vpn_gateway_name: "gateway",
      vpc_id: "vpc-1",
      vswitch_id: "vsw-1",
      disaster_recovery_vswitch_id: "vsw-2",
      network_type: "public",
      vpn_type: "Normal",
      payment_type: "PayAsYouGo",
      bandwidth: 10,
      enable_ipsec: true,
      enable_ssl: false,
    });
    expect(gateway({ checkZones: false }).lifecycle).toEqual({ replace_triggered_by: [SECOND_VSWITCH] });
    expect(gateway()).not.toHaveProperty("description");
  });

  it("takes its other options", () => {
    const given = gateway({
      name: "office",
      description: "to the office",
      bandwidth: 1000,
      networkType: GatewayNetworkType.PRIVATE,
      charge: Charge.subscription(12, false),
      resourceGroupId: "rg-1",
      tags: { team: "net" },
      protect: true,
      ignoreChanges: ["tags"],
    });
    expect(given).toMatchObject({
      vpn_gateway_name: "office",
      description: "to the office",
      bandwidth: 1000,
      network_type: "private",
      payment_type: "Subscription",
      period: 12,
      auto_pay: false,
      resource_group_id: "rg-1",
      tags: { team: "net" },
      lifecycle: { prevent_destroy: true, ignore_changes: ["tags"] },
    });
    expect(gateway({ protect: true, checkZones: false }).lifecycle).toEqual({
      prevent_destroy: true,
      replace_triggered_by: [SECOND_VSWITCH],
    });
  });

  it("has 200 Mbit/s when it is private, which is the least that is sold", () => {
    expect(gateway({ networkType: GatewayNetworkType.PRIVATE })).toMatchObject({ bandwidth: 200 });
  });

  it("is planned only in zones that Alibaba Cloud names at plan", () => {
    const stack = gatewayStack();
    const { data, resource } = synthesized(stack);
    expect(data).toMatchObject({ alicloud_vpn_gateway_zones: { "vpn-gateway-zones-10M": { spec: "10M" } } });
    expect(resource.alicloud_vpn_gateway.gateway.lifecycle).toEqual({
      replace_triggered_by: [SECOND_VSWITCH],
      precondition: [1, 2].map((number) => ({
        condition: `\${contains(data.alicloud_vpn_gateway_zones.vpn-gateway-zones-10M.ids, "ap-southeast-1${"ab"[number - 1]}")}`,
        error_message: `vSwitch ${number} is in zone ap-southeast-1${"ab"[number - 1]}, where this VPN gateway cannot be made; the zones that work are \${join(", ", data.alicloud_vpn_gateway_zones.vpn-gateway-zones-10M.ids)}.`,
      })),
    });
  });

  it("asks once for all gateways of a stack, a provider and a bandwidth", () => {
    const stack = gatewayStack();
    new DualTunnelVpnGateway(stack, "second", { vpc, vswitches });
    new DualTunnelVpnGateway(stack, "third", { vpc, vswitches, bandwidth: 100 });
    const { data } = synthesized(stack);
    expect(Object.keys(data!.alicloud_vpn_gateway_zones)).toEqual(["vpn-gateway-zones-100M", "vpn-gateway-zones-10M"]);
  });

  it("asks nothing when told so, or when no zone is known", () => {
    expect(synthesized(gatewayStack({ checkZones: false }))).not.toHaveProperty("data");
    expect(synthesized(gatewayStack({ vswitches: [{ id: "vsw-1" }, { id: "vsw-2" }] }))).not.toHaveProperty("data");
  });

  it("may exist already", () => {
    const stack = newStack();
    const existing = DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", {
      vpnGatewayId: "vpn-1",
      activeIpsecAddress: "gateway",
      standbyIpsecAddress: "192.0.2.300",
    });
    expect(existing).toMatchObject({ networkType: "public", vpcCidrs: [] });
    expect(existing.resource).toBeUndefined();
    expect(problems(stack)).toEqual([
      'activeIpsecAddress "gateway" is not an IPv4 address; write it as 192.0.2.152.',
      'standbyIpsecAddress "192.0.2.300" is not an IPv4 address; write it as 192.0.2.10.',
    ]);
  });

  it("goes to the provider that it is given", () => {
    const stack = newStack();
    const provider = new AlicloudProvider(stack, "hk", { alias: "hk", region: "cn-hongkong" });
    const zones = [
      { id: "vsw-1", zoneId: "cn-hongkong-b" },
      { id: "vsw-2", zoneId: "cn-hongkong-c" },
    ] as const;
    new DualTunnelVpnGateway(stack, "gateway", { vpc, vswitches: zones, provider });
    expect(problems(stack)).toEqual([]);
    const { data, resource } = synthesized(stack);
    expect(resource.alicloud_vpn_gateway.gateway.provider).toBe("alicloud.hk");
    expect(data!.alicloud_vpn_gateway_zones["vpn-gateway-zones-hk-10M"].provider).toBe("alicloud.hk");
  });

  it("sees through the tokens of generated classes", () => {
    const stack = newStack();
    const made = new Vpc(stack, "vpc", { cidrBlock: "172.16.0.0/12" });
    const [first, second] = ["a", "a"].map(
      (letter, index) => new Vswitch(stack, `vsw-${index}`, { vpcId: made.id, zoneId: `ap-southeast-1${letter}` }),
    );
    new DualTunnelVpn(stack, "vpn", { ...SITE, gateway: { vpc: made, vswitches: [first, second] } });
    expect(problems(stack)).toEqual(
      expect.arrayContaining([
        "vswitches are both in zone ap-southeast-1a; give two vSwitches in two zones, so that the tunnels do not fail together.",
        "vpcCidrs 172.16.0.0/12 and dataCenterCidrs 172.16.0.0/16 overlap; give blocks that share no address.",
      ]),
    );
  });
});

describe("checks of a VPN gateway", () => {
  const twice = (zoneId: string, id = "vsw-2") =>
    [
      { id: "vsw-1", zoneId },
      { id, zoneId },
    ] as const;

  it("refuse one zone used twice where the region has more", () => {
    expect(problems(gatewayStack({ vswitches: twice("ap-southeast-1a") }))).toEqual([
      "vswitches are both in zone ap-southeast-1a; give two vSwitches in two zones, so that the tunnels do not fail together.",
    ]);
  });

  it("accept one zone used twice, even one vSwitch, where the region has one zone", () => {
    expect(problems(gatewayStack({ vswitches: twice("ap-southeast-6a") }, "ap-southeast-6"))).toEqual([]);
    expect(problems(gatewayStack({ vswitches: twice("ap-southeast-6a", "vsw-1") }, "ap-southeast-6"))).toEqual([]);
  });

  it("refuse one vSwitch used twice where the region has more zones", () => {
    expect(problems(gatewayStack({ vswitches: twice("ap-southeast-1a", "vsw-1") }))).toEqual([
      "vswitches are one and the same; give two vSwitches in two zones, so that the tunnels do not fail together.",
    ]);
    expect(problems(gatewayStack({ vswitches: [{ id: "vsw-1" }, { id: "vsw-1" }] }))).toHaveLength(1);
    const stack = newStack();
    const made = new Vswitch(stack, "made", { vpcId: "vpc-1" });
    new DualTunnelVpnGateway(stack, "gateway", { vpc, vswitches: [made, made], checkZones: false });
    expect(problems(stack)).toHaveLength(1);
  });

  it("take the region from the zones where the provider's is unknown, or is none", () => {
    const region = Token.asString("${var.region}");
    expect(problems(gatewayStack({ vswitches: twice("ap-southeast-6a") }, region))).toEqual([]);
    expect(problems(gatewayStack({ vswitches: twice("ap-southeast-1a") }, region))).toHaveLength(1);
    expect(problems(gatewayStack({ vswitches: twice("ap-southeast-6a") }, "Manila"))).toEqual([
      expect.stringMatching(/^region "Manila" is not a region id; write ap-southeast-6 /),
    ]);
    expect(problems(gatewayStack({ vswitches: twice("ap-southeast-1a") }, "Singapore"))).toHaveLength(2);
  });

  it("refuse a zone of another region", () => {
    expect(problems(gatewayStack({}, "eu-central-1"))).toEqual([
      "vswitches[0]: ap-southeast-1a is a zone of ap-southeast-1, not of the provider's region eu-central-1.",
      "vswitches[1]: ap-southeast-1b is a zone of ap-southeast-1, not of the provider's region eu-central-1.",
    ]);
  });

  it("refuse a region that is not of Alibaba's form, naming the one that is meant", () => {
    expect(problems(gatewayStack({}, "Singapore"))).toEqual([
      'region "Singapore" is not a region id; write ap-southeast-1 for Singapore.',
    ]);
  });

  it("only warn about a well-formed region that the table lacks", () => {
    const stack = gatewayStack({ vswitches: twice("ap-southeast-9a") }, "ap-southeast-9");
    expect(problems(stack)).toEqual([]);
    expect(warnings(stack)).toEqual([
      "region ap-southeast-9 is not among those known to offer dual-tunnel IPsec-VPN; the plan will tell.",
    ]);
  });

  it.each(["a", "1gateway", "gate way", "x".repeat(101), "http://x"])("refuse the name %j", (name) =>
    expect(problems(gatewayStack({ name }))).toEqual([
      `name "${name}" must be 2 to 100 letters, digits and . _ - that start with a letter.`,
    ]),
  );

  it("refuse a bandwidth that is not sold", () => {
    expect(problems(gatewayStack({ bandwidth: 11 }))).toEqual([
      "bandwidth 11 is not sold for a public gateway; choose one of 5, 10, 20, 50, 100, 200, 500, 1000 Mbit/s.",
    ]);
    expect(problems(gatewayStack({ bandwidth: 10, networkType: GatewayNetworkType.PRIVATE }))).toEqual([
      "bandwidth 10 is not sold for a private gateway; choose one of 200, 1000 Mbit/s.",
    ]);
  });

  it("refuse a subscription period that is not sold, and warn that destroy does not end a subscription", () => {
    expect(problems(gatewayStack({ charge: Charge.subscription(10) }))).toEqual([
      "charge: a subscription of 10 months is not sold; choose one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36.",
    ]);
    expect(warnings(gatewayStack({ charge: Charge.subscription(1) }))).toEqual([
      "charge: destroy leaves a subscription gateway running and billed; end the subscription in the console.",
    ]);
  });

  it("refuse tags and descriptions that the API refuses", () => {
    const tags = { "acs:x": "1", ok: "http://x", ["k".repeat(65)]: "v" };
    expect(problems(gatewayStack({ tags, description: "https://x" }))).toEqual([
      "description starts with http:// or https://, which the API refuses; write it without.",
      'tags: the key "acs:x" starts with aliyun or acs:, or holds http:// or https://, which the API refuses.',
      'tags: the value of "ok" starts with aliyun or acs:, or holds http:// or https://, which the API refuses.',
      `tags: the key "${"k".repeat(65)}" has 65 characters; give 1 to 64.`,
    ]);
  });

  it("refuse more tags, and longer values, than the API takes", () => {
    const tags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));
    expect(problems(gatewayStack({ tags: tags(20) }))).toEqual([]);
    expect(problems(gatewayStack({ tags: tags(21) }))).toEqual(["tags has 21 entries; give at most 20."]);
    expect(problems(gatewayStack({ tags: { ["k".repeat(64)]: "v".repeat(128) } }))).toEqual([]);
    expect(problems(gatewayStack({ tags: { k: "v".repeat(129) } }))).toEqual([
      "tags.k has 129 characters; give at most 128.",
    ]);
  });
});
