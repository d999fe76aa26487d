import { Lazy, TerraformStack, TerraformVariable, Token } from "cdktf";
import * as fc from "fast-check";
import {
  CustomerGatewayPair,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  DualTunnelVpnProps,
  GatewayNetworkType,
  IkeVersion,
  IpsecDualConnection,
  IpsecDualConnectionProps,
  PreSharedKey,
  RoutingMode,
} from "../../lib";
import { formatAddress, overlap, parseBlock } from "../../lib/ip";
import {
  EXISTING_CUSTOMER_GATEWAYS,
  EXISTING_GATEWAY,
  newStack,
  problems,
  SITE,
  siteStack,
  synthesized,
  synthesizedSite,
  UPLINK_1,
} from "./site";

/** A stack with one connection on a gateway and customer gateways that exist. */
function connectionStack(changes: Partial<IpsecDualConnectionProps> = {}, networkType?: GatewayNetworkType) {
  const stack = newStack();
  const gateway = DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", {
    ...EXISTING_GATEWAY,
    networkType,
  });
  const customerGateways = CustomerGatewayPair.fromCustomerGatewayPairAttributes(
    stack,
    "customer-gateways",
    EXISTING_CUSTOMER_GATEWAYS,
  );
  new IpsecDualConnection(stack, "connection", {
    gateway,
    customerGateways,
    name: "office",
    dataCenterCidrs: ["172.16.0.0/16"],
    ...changes,
  });
  return stack;
}

const connection = (changes: Partial<IpsecDualConnectionProps> = {}) =>
  synthesized(connectionStack(changes)).resource.alicloud_vpn_connection.office_connection;

const complaints = (changes: Partial<IpsecDualConnectionProps>) => problems(connectionStack(changes));

describe("an IPsec connection", () => {
  it("gives every field of both tunnels, the active one first, because the provider sends false and 0 for the rest", () => {
    const given = connection();
    expect(given).toMatchObject({
      vpn_connection_name: "office",
      vpn_gateway_id: "vpn-1",
      local_subnet: ["0.0.0.0/0"],
      remote_subnet: ["0.0.0.0/0"],
      effect_immediately: true,
      auto_config_route: false,
      enable_tunnels_bgp: false,
    });
    const common = { enable_dpd: true, enable_nat_traversal: true };
    const ike = {
      ike_version: "ikev2",
      ike_mode: "main",
      ike_enc_alg: "aes256",
      ike_auth_alg: "sha256",
      ike_pfs: "group14",
      ike_lifetime: 86400,
    };
    const tunnel_ipsec_config = {
      ipsec_enc_alg: "aes256",
      ipsec_auth_alg: "sha256",
      ipsec_pfs: "group14",
      ipsec_lifetime: 86400,
    };
    expect(given.tunnel_options_specification).toEqual([
      {
        role: "master",
        customer_gateway_id: "cgw-1",
        ...common,
        tunnel_ike_config: {
          ...ike,
          psk: "${sensitive(var.office_psk_active)}",
          local_id: "192.0.2.152",
          remote_id: "198.51.100.198",
        },
        tunnel_ipsec_config,
      },
      {
        role: "slave",
        customer_gateway_id: "cgw-2",
        ...common,
        tunnel_ike_config: {
          ...ike,
          psk: "${sensitive(var.office_psk_standby)}",
          local_id: "192.0.2.10",
          remote_id: "203.0.113.181",
        },
        tunnel_ipsec_config,
      },
    ]);
  });

  it("can be told to wait for the first packet, and takes tags and ignored changes", () => {
    expect(connection({ effectImmediately: false, tags: { a: "b" }, ignoreChanges: ["tags"] })).toMatchObject({
      effect_immediately: false,
      tags: { a: "b" },
      lifecycle: { ignore_changes: ["tags"] },
    });
  });

  it("uses one customer gateway for both tunnels when there is one egress IP", () => {
    const { resource } = synthesizedSite({ uplinks: [UPLINK_1] });
    const given = resource.alicloud_vpn_connection.singapore_connection;
    const tunnels = given.tunnel_options_specification as { customer_gateway_id: string }[];
    expect(tunnels.map((tunnel) => tunnel.customer_gateway_id)).toEqual([
      "${alicloud_vpn_customer_gateway.customer_gateway_198_51_100_198.id}",
      "${alicloud_vpn_customer_gateway.customer_gateway_198_51_100_198.id}",
    ]);
  });

  it("routes each block of the data center to itself, one change after the other", () => {
    const { resource } = synthesizedSite({ dataCenterCidrs: ["172.16.0.0/16", "10.1.0.0/16"] });
    expect(resource.alicloud_vpn_route_entry).toMatchObject({
      singapore_route_172_16_0_0_16: {
        route_dest: "172.16.0.0/16",
        next_hop: "${alicloud_vpn_connection.singapore_connection.id}",
        vpn_gateway_id: "${alicloud_vpn_gateway.singapore_gateway.id}",
        weight: 100,
        publish_vpc: true,
        depends_on: ["alicloud_vpn_route_entry.singapore_route_10_1_0_0_16"],
      },
      singapore_route_10_1_0_0_16: {
        route_dest: "10.1.0.0/16",
        depends_on: ["alicloud_vpn_connection.singapore_connection"],
      },
    });
    expect(resource).not.toHaveProperty("alicloud_vpn_pbr_route_entry");
  });

  it("carries the blocks and routes each pair of them when the policy decides", () => {
    const { resource } = synthesizedSite({
      routing: RoutingMode.POLICY,
      vpcCidrs: ["192.168.0.0/17", "192.168.128.0/17"],
      dataCenterCidrs: ["172.16.0.0/16"],
      publishRoutes: false,
    });
    expect(resource.alicloud_vpn_connection.singapore_connection).toMatchObject({
      local_subnet: ["192.168.0.0/17", "192.168.128.0/17"],
      remote_subnet: ["172.16.0.0/16"],
    });
    expect(resource).not.toHaveProperty("alicloud_vpn_route_entry");
    const route = (source: string) => ({
      route_source: source,
      route_dest: "172.16.0.0/16",
      publish_vpc: false,
      weight: 100,
    });
    expect(resource.alicloud_vpn_pbr_route_entry).toMatchObject({
      singapore_route_192_168_0_0_17_to_172_16_0_0_16: route("192.168.0.0/17"),
      singapore_route_192_168_128_0_17_to_172_16_0_0_16: {
        ...route("192.168.128.0/17"),
        depends_on: ["alicloud_vpn_pbr_route_entry.singapore_route_192_168_0_0_17_to_172_16_0_0_16"],
      },
    });
  });

  it("changes no resource's name when a list is put in another order", () => {
    const blocks = ["172.16.0.0/16", "10.1.0.0/16", "10.2.0.0/16"];
    const names = (dataCenterCidrs: string[]) =>
      Object.keys(synthesizedSite({ dataCenterCidrs }).resource.alicloud_vpn_route_entry).sort();
    expect(names([...blocks].reverse())).toEqual(names(blocks));
  });

  it("waits for the other sites on its gateway", () => {
    const stack = newStack();
    const first = new DualTunnelVpn(stack, "first", { ...SITE, name: "first" });
    new DualTunnelVpn(stack, "second", {
      ...SITE,
      name: "second",
      gateway: first.gateway,
      dataCenterCidrs: ["10.1.0.0/16"],
      uplinks: [{ ...UPLINK_1, egressIp: "198.51.100.7" }],
      ssh: { ...SITE.ssh, host: "second.example.com" },
    });
    expect(problems(stack)).toEqual([]);
    const { resource } = synthesized(stack);
    const before = "alicloud_vpn_route_entry.first_route_172_16_0_0_16";
    expect(resource.alicloud_vpn_connection.second_connection.depends_on).toEqual([
      before,
      "null_resource.second_prepare_box_over_ssh",
    ]);
    expect(resource.null_resource.second_prepare_box_over_ssh.depends_on).toEqual([before]);
    expect(Object.keys(resource.alicloud_vpn_gateway)).toEqual(["first_gateway"]);
  });

  it("waits for the other sites in the order of their names, on a gateway that is described twice too", () => {
    const order = (names: readonly string[], known = true) => {
      const stack = newStack();
      const id = new TerraformVariable(stack, "id", { type: "string" });
      for (const [index, name] of names.entries()) {
        new IpsecDualConnection(stack, name, {
          name,
          gateway: DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, `${name}-gateway`, {
            ...EXISTING_GATEWAY,
            // Another token each time.
            ...(!known && { vpnGatewayId: id.stringValue }),
          }),
          customerGateways: new CustomerGatewayPair(stack, `${name}-pair`, { egressIps: [`198.51.100.${index}`] }),
          dataCenterCidrs: ["10.1.0.0/16"],
        });
      }
      const { resource } = synthesized(stack);
      return ["a", "b", "c"].map(
        (name) => resource.alicloud_vpn_connection[`${name}_connection`].depends_on as unknown,
      );
    };
    const expected = [
      [],
      ["alicloud_vpn_route_entry.a_route_10_1_0_0_16"],
      ["alicloud_vpn_route_entry.b_route_10_1_0_0_16"],
    ];
    expect(order(["a", "b", "c"])).toEqual(expected);
    expect(order(["c", "a", "b"])).toEqual(expected);
    expect(order(["c", "a", "b"], false)).toEqual(expected);
  });

  it("takes blocks that only Terraform knows", () => {
    const stack = newStack();
    const block = new TerraformVariable(stack, "block", { type: "string" });
    new DualTunnelVpn(stack, "vpn", { ...SITE, dataCenterCidrs: ["10.9.0.0/16", block.stringValue] });
    expect(problems(stack)).toEqual([]);
    expect(synthesized(stack).resource.alicloud_vpn_route_entry.singapore_route_number_2.route_dest).toBe(
      "${var.block}",
    );
  });
});

describe("connections on a gateway whose id only Terraform knows", () => {
  const two = (ids: readonly [string, string], stack: TerraformStack) => {
    ids.forEach((vpnGatewayId, index) => {
      const attributes = { ...EXISTING_GATEWAY, vpnGatewayId };
      new IpsecDualConnection(stack, `site-${index}`, {
        name: `site-${index}`,
        gateway: DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, `gateway-${index}`, attributes),
        customerGateways: new CustomerGatewayPair(stack, `pair-${index}`, { egressIps: [`198.51.100.${index + 1}`] }),
        dataCenterCidrs: ["10.1.0.0/16"],
      });
    });
    return problems(stack);
  };

  it("are compared with each other, however often it is described", () => {
    const stack = newStack();
    const id = new TerraformVariable(stack, "id", { type: "string" });
    expect(two([id.stringValue, id.stringValue], stack)).toEqual([
      expect.stringMatching(/^dataCenterCidrs 10\.1\.0\.0\/16 overlaps 10\.1\.0\.0\/16 of test\/site-0 on the same /),
    ]);
  });

  it("are not those of another one: by another variable, in another stack, not known yet, or missing", () => {
    const stack = newStack();
    const [a, b] = ["a", "b"].map((name) => new TerraformVariable(stack, name, { type: "string" }).stringValue);
    expect(two([a, b], stack)).toEqual([]);

    const later = () => Lazy.stringValue({ produce: () => "vpn-1" });
    expect(two([later(), later()], newStack())).toEqual([]);
    expect(two([undefined, undefined] as never, newStack())).toEqual(
      [1, 2].map(() => "vpnGatewayId is missing; give text, for example vpn-…."),
    );

    const here = newStack();
    const other = new TerraformStack(here.node.root, "other");
    const [own, theirs] = [here, other].map((each) => new TerraformVariable(each, "id", { type: "string" }));
    expect(two([own.stringValue, theirs.stringValue], here)).toEqual([]);
    // Nothing is asked of the other stack before the synthesis does.
    expect(here.dependencies).toEqual([]);
  });
});

describe("checks of an IPsec connection", () => {
  it("find every overlap of a VPC block with a data-center block, and no other", () => {
    const block = fc
      .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 4, max: 30 }))
      .map(([address, prefixLength]) => {
        const size = 2 ** (32 - prefixLength);
        return parseBlock(`${formatAddress(address - (address % size))}/${prefixLength}`)!;
      });
    fc.assert(
      fc.property(block, block, (a, b) => {
        const found = complaints({ vpcCidrs: [a.text], dataCenterCidrs: [b.text] });
        const sentence = `vpcCidrs ${a.text} and dataCenterCidrs ${b.text} overlap; give blocks that share no address.`;
        expect(found.includes(sentence)).toBe(overlap(a, b));
      }),
      { numRuns: 40 },
    );
  });

  it("name each overlapping pair", () => {
    expect(
      complaints({ vpcCidrs: ["192.168.0.0/16", "10.0.0.0/8"], dataCenterCidrs: ["192.168.10.0/24", "10.1.0.0/16"] }),
    ).toEqual([
      "vpcCidrs 192.168.0.0/16 and dataCenterCidrs 192.168.10.0/24 overlap; give blocks that share no address.",
      "vpcCidrs 10.0.0.0/8 and dataCenterCidrs 10.1.0.0/16 overlap; give blocks that share no address.",
    ]);
  });

  it("refuse a block of the data center that Alibaba Cloud keeps for itself", () => {
    expect(complaints({ dataCenterCidrs: ["100.100.0.0/16"] })).toEqual([
      `dataCenterCidrs 100.100.0.0/16 overlaps 100.64.0.0/10, which Alibaba Cloud keeps for itself; use other addresses.`,
    ]);
  });

  it("refuse everything as a destination", () => {
    expect(complaints({ dataCenterCidrs: ["0.0.0.0/0"] })).toEqual([
      "dataCenterCidrs 0.0.0.0/0 is everything, which Alibaba Cloud refuses as a route; name the blocks.",
    ]);
  });

  it("refuse blocks that are none, that have host bits, that are given twice, and empty lists", () => {
    expect(complaints({ dataCenterCidrs: ["172.16.0.0", "172.16.1.5/24", "10.1.0.0/16", "10.1.0.0/16"] })).toEqual([
      "dataCenterCidrs 172.16.0.0 is not an IPv4 CIDR block; write it as 172.16.0.0/16.",
      "dataCenterCidrs 172.16.1.5/24 has host bits set; write 172.16.1.0/24.",
      "dataCenterCidrs 10.1.0.0/16 is given twice; give it once.",
    ]);
    expect(complaints({ dataCenterCidrs: [] })).toEqual(["dataCenterCidrs is empty; give at least one CIDR block."]);
    expect(complaints({ vpcCidrs: [] })).toEqual(["vpcCidrs is empty; give at least one CIDR block."]);
  });

  it("refuse a list that is one token, which cannot be made into routes", () => {
    expect(complaints({ dataCenterCidrs: Token.asList("${var.blocks}") })).toEqual([
      "dataCenterCidrs is one Terraform list; give the blocks one by one.",
    ]);
  });

  it("allow ten blocks on a side when the policy decides, and more when routes do", () => {
    const eleven = Array.from({ length: 11 }, (_, index) => `10.${index}.0.0/16`);
    expect(complaints({ dataCenterCidrs: eleven })).toEqual([]);
    expect(complaints({ dataCenterCidrs: eleven.slice(1), routing: RoutingMode.POLICY })).toEqual([]);
    expect(complaints({ dataCenterCidrs: eleven, routing: RoutingMode.POLICY })).toEqual([
      "dataCenterCidrs has 11 blocks; policy-based routing takes at most 10: join some, or route by destination.",
    ]);
  });

  it("refuse IKEv1 for several pairs of blocks when the policy decides", () => {
    const v1 = { ike: { version: IkeVersion.V1 } };
    const two = { dataCenterCidrs: ["10.1.0.0/16", "10.2.0.0/16"], standbyTunnel: v1 };
    expect(complaints({ ...two, routing: RoutingMode.POLICY })).toEqual([
      "standby tunnel: IKEv1 carries one pair of blocks in policy-based routing and there are 2; choose IkeVersion.V2 or RoutingMode.DESTINATION.",
    ]);
    expect(complaints(two)).toEqual([]);
    expect(complaints({ standbyTunnel: v1, routing: RoutingMode.POLICY })).toEqual([]);
  });

  it("refuse a private egress IP for a public gateway and take it for a private one", () => {
    const stack = siteStack({ uplinks: [{ ...UPLINK_1, egressIp: "172.16.1.93" }] });
    expect(problems(stack)).toEqual([
      "egressIp 172.16.1.93 is a private address; give the public one that the cloud sees.",
    ]);
    const gateway = { ...SITE.gateway, networkType: GatewayNetworkType.PRIVATE } as DualTunnelVpnProps["gateway"];
    expect(problems(siteStack({ gateway, uplinks: [{ ...UPLINK_1, egressIp: "172.16.1.93" }] }))).toEqual([]);
  });

  it("refuse ids that both tunnels have while each has a key of its own: the box finds a key by the ids", () => {
    const ids = { peerId: "box", cloudId: "cloud" };
    expect(complaints({ activeTunnel: ids, standbyTunnel: ids })).toEqual([
      "both tunnels have the peerId box and the cloudId cloud, by which the box finds a tunnel's pre-shared key, and two keys; give one tunnel another id.",
    ]);
    expect(complaints({ activeTunnel: ids, standbyTunnel: { ...ids, cloudId: "cloud-2" } })).toEqual([]);
    expect(complaints({ activeTunnel: ids, standbyTunnel: { ...ids, peerId: "box-2" } })).toEqual([]);
    const preSharedKey = PreSharedKey.unsafeLiteral("one-for-both");
    const shared = { ...ids, preSharedKey };
    expect(complaints({ activeTunnel: shared, standbyTunnel: shared })).toEqual([]);
  });

  it("refuse everything as a block of the VPC", () => {
    expect(complaints({ vpcCidrs: ["0.0.0.0/0"] })).toEqual([
      "vpcCidrs 0.0.0.0/0 is everything, which Alibaba Cloud refuses as a route; name the blocks.",
    ]);
  });

  it("refuse tags that the API refuses", () => {
    expect(complaints({ tags: { "aliyun-x": "1" } })).toEqual([
      'tags: the key "aliyun-x" starts with aliyun or acs:, or holds http:// or https://, which the API refuses.',
    ]);
  });

  it("refuse a name that cannot name an interface", () => {
    expect(complaints({ name: "Head Office" })).toEqual([
      'name "Head Office" must be 1 to 11 lower-case letters, digits and hyphens that start with a letter, because interfaces on the box are named after it.',
    ]);
  });

  it("refuse a name that only Terraform knows", () => {
    const stack = newStack();
    const name = new TerraformVariable(stack, "site", { type: "string" }).stringValue;
    new DualTunnelVpn(stack, "vpn", { ...SITE, name });
    expect(problems(stack)).toEqual([
      "name is known only to Terraform; give it as text, because much is named after it.",
    ]);
  });

  it("refuse a name that another connection of the stack has", () => {
    const stack = newStack();
    const first = new DualTunnelVpn(stack, "first", SITE);
    new IpsecDualConnection(stack, "second", {
      gateway: first.gateway,
      customerGateways: first.customerGateways,
      name: "singapore",
      dataCenterCidrs: ["10.1.0.0/16"],
    });
    expect(problems(stack)).toEqual([
      'name "singapore" is taken by test/first/connection; give each connection of a stack its own.',
    ]);
  });
});
