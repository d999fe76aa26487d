// Inputs that only Terraform knows, as Terraform evaluates their conditions: what synth says of the same text.
import { TerraformVariable } from "cdktf";
import { DualTunnelVpn, DualTunnelVpnGateway, DualTunnelVpnProps } from "../../lib";
import { evaluated, evaluatedJson } from "./evaluated";
import { EXISTING_GATEWAY, newStack, problems, SITE, siteStack, synthesized, UPLINK_1, UPLINK_2 } from "./site";

jest.setTimeout(60_000);

interface Condition {
  readonly condition: string;
  readonly error_message: string;
}

const ADDRESSES = [
  ...["198.51.100.198", "203.0.113.181", "172.16.1.253", "172.16.2.253", "192.168.10.10", "0.0.0.0", "0.1.2.3"],
  ...["127.0.0.1", "169.254.1.1", "169.253.1.1", "100.64.0.1", "100.127.255.255", "100.63.0.1", "100.128.0.1"],
  ...["223.255.255.255", "224.0.0.1", "239.1.1.1", "240.1.1.1", "255.255.255.255", "126.1.1.1", "128.0.0.1"],
  ...["", "box", "1.2.3", "1.2.3.4.", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4/32", "1.2.3.4\n", "10.0.0.1 "],
];

/** For each text, the sentences of the conditions that do not hold when it is the variable's value. */
function atPlan(changes: (value: string) => Partial<DualTunnelVpnProps>, resource: [string, string], texts: string[]) {
  const stack = newStack();
  const variable = new TerraformVariable(stack, "a", { type: "string" }).stringValue;
  new DualTunnelVpn(stack, "vpn", { ...SITE, ...changes(variable) });
  expect(problems(stack)).toEqual([]);
  const [type, name] = resource;
  const { precondition } = synthesized(stack).resource[type][name].lifecycle as { precondition: Condition[] };
  expect(precondition.length).toBeGreaterThan(0);
  const held = precondition.map(({ condition }) =>
    evaluated(
      () => condition,
      texts.map((text) => [text, ""]),
    ),
  );
  return texts.map((text, index) =>
    precondition
      .filter((_, which) => !held[which][index])
      .map(({ error_message }) => error_message.replaceAll("${var.a}", text)),
  );
}

const atSynth = (changes: (value: string) => Partial<DualTunnelVpnProps>) =>
  ADDRESSES.map((text) => problems(siteStack(changes(text))).length > 0);

const presence: [string, string] = ["terraform_data", "singapore_box_presence"];

it("an egress IP is an address that a cloud can see", () => {
  const changes = (egressIp: string) => ({ uplinks: [{ ...UPLINK_1, egressIp }] });
  const found = atPlan(changes, ["alicloud_vpn_customer_gateway", "singapore_customer_gateway_1"], ADDRESSES);
  // That it is public depends on the gateway, and is left to Alibaba Cloud.
  const isPrivate = (text: string) => /^(10|192\.168|172\.16)\.[0-9.]+$/.test(text);
  expect(ADDRESSES.filter((_, index) => found[index].length > 0)).toEqual(
    ADDRESSES.filter((text, index) => atSynth(changes)[index] && !isPrivate(text)),
  );
  expect(found[ADDRESSES.indexOf("240.1.1.1")]).toEqual([
    "egressIp 240.1.1.1 is an address that no cloud sees; give the one that the cloud sees.",
  ]);
});

it("an egress IP is not the other uplink's", () => {
  const changes = (egressIp: string) => ({ uplinks: [UPLINK_1, { ...UPLINK_2, egressIp }] });
  const found = atPlan(
    changes,
    ["alicloud_vpn_customer_gateway", "singapore_customer_gateway_2"],
    [UPLINK_1.egressIp, UPLINK_2.egressIp],
  );
  expect(found).toEqual([[expect.stringMatching(/^egressIp 198\.51\.100\.198 is given twice, /)], []]);
});

it("an uplink's gateway is an address in the uplink's network", () => {
  const changes = (gateway: string) => ({ uplinks: [{ ...UPLINK_1, gateway }, UPLINK_2] });
  const found = atPlan(changes, presence, ADDRESSES);
  expect(ADDRESSES.filter((_, index) => found[index].length === 0)).toEqual(["172.16.1.253"]);
  expect(found[ADDRESSES.indexOf("172.16.2.253")]).toEqual([
    "uplinks[0].gateway 172.16.2.253 is outside the uplink's network 172.16.1.0/24; give the next router in that network.",
  ]);
});

it("an address that is pinged is one, and in the VPC", () => {
  const changes = (address: string) => ({ agent: { vpcProbeAddresses: [address] } });
  const found = atPlan(changes, presence, ADDRESSES);
  expect(ADDRESSES.filter((_, index) => found[index].length === 0)).toEqual(["192.168.10.10"]);
  expect(found.map((sentences) => sentences.length > 0)).toEqual(atSynth(changes));
});

it("an interface's name is one", () => {
  const texts = ["eth0", "enp3s0.100", "wan@if5", 'eth"0', "$(x)", "", "a-name-with-more-than-fifteen", "eth0\n"];
  const found = atPlan((device) => ({ uplinks: [{ ...UPLINK_1, device }, UPLINK_2] }), presence, texts);
  expect(texts.filter((_, index) => found[index].length === 0)).toEqual(["eth0", "enp3s0.100"]);
});

it("what the box is told holds an expression as it was written, with quotes and braces in it", () => {
  const stack = newStack();
  const gateway = DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", EXISTING_GATEWAY);
  const device = 'eth${var.m["number"]}.${var.m["tag"]}';
  const uplinks = [
    { ...UPLINK_1, gateway: '${var.m["gateway"]}', device },
    { ...UPLINK_2, gateway: '${join(".", ["172.16.2", {"}" = "253"}["}"]])}' },
  ] as const;
  new DualTunnelVpn(stack, "vpn", { ...SITE, gateway, vpcCidrs: ['${var.m["vpc"]}', "10.0.0.0/8"], uplinks });
  expect(problems(stack)).toEqual([]);
  const m = { gateway: "172.16.1.253", vpc: "192.168.0.0/16", number: "0", tag: "7" };
  expect(evaluatedJson(synthesized(stack).locals!.singapore_site_json, { m })).toMatchObject({
    vpcCidrs: ["192.168.0.0/16", "10.0.0.0/8"],
    uplinks: [
      { gateway: "172.16.1.253", device: "eth0.7" },
      { gateway: "172.16.2.253", device: null },
    ],
  });
});

it("an egress IP of customer gateways that exist is checked by the connection", () => {
  const stack = newStack();
  const variable = new TerraformVariable(stack, "a", { type: "string" }).stringValue;
  const customerGateways = {
    activeCustomerGatewayId: "cgw-1",
    standbyCustomerGatewayId: "cgw-1",
    activeEgressIp: variable,
    standbyEgressIp: variable,
    resources: [],
  } as unknown as DualTunnelVpnProps["customerGateways"];
  new DualTunnelVpn(stack, "vpn", { ...SITE, customerGateways, uplinks: [{ ...UPLINK_1, egressIp: variable }] });
  expect(problems(stack)).toEqual([]);
  const { lifecycle } = synthesized(stack).resource.alicloud_vpn_connection.singapore_connection;
  expect((lifecycle as { precondition: Condition[] }).precondition.map((each) => each.error_message)).toContain(
    "egressIp ${var.a} is an address that no cloud sees; give the one that the cloud sees.",
  );
});
