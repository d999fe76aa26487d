import { TerraformVariable } from "cdktf";
import { CustomerGatewayPair, CustomerGatewayPairProps } from "../../lib";
import { EXISTING_CUSTOMER_GATEWAYS, newStack, problems, synthesized } from "./site";

function pairStack(props: CustomerGatewayPairProps) {
  const stack = newStack();
  const pair = new CustomerGatewayPair(stack, "office", props);
  return { stack, pair };
}

describe("customer gateways", () => {
  it("are two for two egress IPs, the active tunnel's first", () => {
    const { stack } = pairStack({ egressIps: ["198.51.100.198", "203.0.113.181"], tags: { a: "b" }, description: "d" });
    expect(problems(stack)).toEqual([]);
    expect(Object.values(synthesized(stack).resource.alicloud_vpn_customer_gateway)).toMatchObject([
      { customer_gateway_name: "office-1", ip_address: "198.51.100.198", tags: { a: "b" }, description: "d" },
      { customer_gateway_name: "office-2", ip_address: "203.0.113.181", tags: { a: "b" }, description: "d" },
    ]);
  });

  it("are one, shared by both tunnels, for one egress IP", () => {
    const { stack, pair } = pairStack({ egressIps: ["198.51.100.198"] });
    expect(problems(stack)).toEqual([]);
    expect(Object.values(synthesized(stack).resource.alicloud_vpn_customer_gateway)).toHaveLength(1);
    expect(pair.standbyEgressIp).toBe("198.51.100.198");
  });

  it("may exist already", () => {
    const stack = newStack();
    const pair = CustomerGatewayPair.fromCustomerGatewayPairAttributes(stack, "office", {
      activeCustomerGatewayId: "cgw-1",
      activeEgressIp: "198.51.100.198",
    });
    expect(pair).toMatchObject({ standbyCustomerGatewayId: "cgw-1", standbyEgressIp: "198.51.100.198" });
    expect(synthesized(stack)).not.toHaveProperty("resource.alicloud_vpn_customer_gateway");
  });
});

describe("checks of customer gateways", () => {
  it("refuse one egress IP given twice", () => {
    expect(problems(pairStack({ egressIps: ["198.51.100.1", "198.51.100.1"] }).stack)).toEqual([
      "egressIp 198.51.100.1 is given twice, which Alibaba Cloud refuses; with one egress IP give it, and its uplink, once.",
    ]);
  });

  it("refuse an egress IP of another one's, by one variable too", () => {
    const stack = newStack();
    const egressIp = new TerraformVariable(stack, "egress", { type: "string" });
    for (const id of ["a", "b"]) new CustomerGatewayPair(stack, id, { egressIps: [egressIp.stringValue] });
    expect(problems(stack)).toEqual([
      "egressIp ${var.egress} has a customer gateway in test/a, and Alibaba Cloud refuses a second one; share that one (customerGateways).",
    ]);
  });

  it.each(["198.51.100", "box.example.com", "198.51.100.1/32", ""])("refuse %j as an address", (address) =>
    expect(problems(pairStack({ egressIps: [address] }).stack)).toEqual([
      `egressIp "${address}" is not an IPv4 address; write it as 198.51.100.198.`,
    ]),
  );

  it.each([
    ["100.64.1.1", "100.64.0.0/10"],
    ["127.0.0.1", "127.0.0.0/8"],
    ["169.254.1.1", "169.254.0.0/16"],
    ["239.1.1.1", "224.0.0.0/4"],
    ["255.255.255.255", "240.0.0.0/4"],
  ])("refuse %s, which lies in %s", (address, range) =>
    expect(problems(pairStack({ egressIps: [address] }).stack)).toEqual([
      `egressIp ${address} lies in ${range}, which Alibaba Cloud refuses; give the address that the cloud sees.`,
    ]),
  );

  it("refuse a name that is too long", () => {
    expect(problems(pairStack({ egressIps: ["198.51.100.1"], name: "x".repeat(99) }).stack)).toHaveLength(1);
  });

  it("say so when no egress IP is given", () => {
    const { stack } = pairStack({ egressIps: [] });
    expect(problems(stack)).toEqual(["egressIps has 0 entries; give one for both tunnels, or one for each."]);
  });

  it("refuse tags and a description that the API refuses", () => {
    const { stack } = pairStack({
      egressIps: ["198.51.100.1"],
      description: "x".repeat(101),
      tags: { "acs:x": "1" },
    });
    expect(problems(stack)).toEqual([
      "description has 101 characters; give 1 to 100.",
      'tags: the key "acs:x" starts with aliyun or acs:, or holds http:// or https://, which the API refuses.',
    ]);
  });

  it("take a name and a description of 100 characters", () => {
    const longest = { name: "x".repeat(98), description: "x".repeat(100) };
    expect(problems(pairStack({ egressIps: ["198.51.100.1"], ...longest }).stack)).toEqual([]);
  });

  it("refuse addresses of existing ones that are none", () => {
    const stack = newStack();
    CustomerGatewayPair.fromCustomerGatewayPairAttributes(stack, "office", {
      ...EXISTING_CUSTOMER_GATEWAYS,
      activeEgressIp: "box",
      standbyEgressIp: "198.51.100",
    });
    expect(problems(stack)).toEqual([
      'activeEgressIp "box" is not an IPv4 address; write it as 198.51.100.198.',
      'standbyEgressIp "198.51.100" is not an IPv4 address; write it as 203.0.113.181.',
    ]);
  });
});
