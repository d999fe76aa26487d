// BGP as a connection's routing: what both ends are told, and what is refused before anything is made.
import { TerraformVariable, Token } from "cdktf";
import * as fc from "fast-check";
import {
  BgpOptions,
  CustomerGatewayPair,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  DualTunnelVpnProps,
  IpsecDualConnection,
  IpsecDualConnectionAttributes,
  NewGatewayOptions,
  Routing,
  RoutingMode,
  StrongswanHost,
} from "../../lib";
import { formatAddress } from "../../lib/ip";
import {
  EXISTING_CUSTOMER_GATEWAYS,
  EXISTING_GATEWAY,
  NEW_GATEWAY,
  newStack,
  problems,
  SITE,
  siteStack,
  synthesized,
  synthesizedSite,
  TWO_BOXES,
  UPLINK_1,
  UPLINK_2,
} from "./site";

const TUNNEL_CIDRS = ["169.254.11.0/30", "169.254.12.0/30"] as const;
const bgp = (changes: Partial<BgpOptions> = {}) => Routing.bgp({ tunnelCidrs: TUNNEL_CIDRS, ...changes });

/** The page's site with BGP. */
const SITE_CHANGES: Partial<DualTunnelVpnProps> = { routing: bgp(), asn: 65010 };
const complaints = (changes: Partial<DualTunnelVpnProps> = {}) => problems(siteStack({ ...SITE_CHANGES, ...changes }));
const routing = (changes: Partial<BgpOptions>) => complaints({ routing: bgp(changes) });
const cidrs = (...tunnelCidrs: string[]) => routing({ tunnelCidrs });

const EXISTING: IpsecDualConnectionAttributes = {
  name: "office",
  vpnConnectionId: "vco-1",
  vpcCidrs: ["192.168.0.0/16"],
  dataCenterCidrs: ["172.16.0.0/16"],
  activeTunnel: { ipsecAddress: "192.0.2.152", egressIp: UPLINK_1.egressIp },
  standbyTunnel: { ipsecAddress: "192.0.2.10", egressIp: UPLINK_2.egressIp },
  routing: bgp(),
  asn: 65010,
};

describe("a site with BGP", () => {
  const { resource, locals } = synthesizedSite(SITE_CHANGES);
  const connection = resource.alicloud_vpn_connection.singapore_connection;
  const site = JSON.parse(locals!.singapore_site_json) as Record<string, unknown> & { tunnels: { bgp: unknown }[] };

  it("has nothing to complain about", () => {
    expect(complaints()).toEqual([]);
  });

  it("gives every field of both sessions to the cloud, whose address is the first of each /30", () => {
    expect(connection).toMatchObject({
      enable_tunnels_bgp: true,
      local_subnet: ["0.0.0.0/0"],
      remote_subnet: ["0.0.0.0/0"],
      tunnel_options_specification: [
        {
          role: "master",
          tunnel_bgp_config: { local_asn: "45104", local_bgp_ip: "169.254.11.1", tunnel_cidr: "169.254.11.0/30" },
        },
        {
          role: "slave",
          tunnel_bgp_config: { local_asn: "45104", local_bgp_ip: "169.254.12.1", tunnel_cidr: "169.254.12.0/30" },
        },
      ],
    });
  });

  it("has customer gateways with the AS number, a gateway that propagates, and no route", () => {
    const gateways = Object.values(resource.alicloud_vpn_customer_gateway);
    expect(gateways.map(({ asn }) => asn as unknown)).toEqual(["65010", "65010"]);
    expect(resource.alicloud_vpn_gateway.singapore_gateway.auto_propagate).toBe(true);
    expect(resource).not.toHaveProperty("alicloud_vpn_route_entry");
    expect(resource).not.toHaveProperty("alicloud_vpn_pbr_route_entry");
  });

  it("tells its box both ends of each session", () => {
    expect(site.bgp).toEqual({ cloudAsn: 45104, asn: 65010, holdSeconds: 3 });
    expect(site.tunnels.map((tunnel) => tunnel.bgp)).toEqual([
      { cloudAddress: "169.254.11.1", boxAddress: "169.254.11.2", prefixLength: 30 },
      { cloudAddress: "169.254.12.1", boxAddress: "169.254.12.2", prefixLength: 30 },
    ]);
  });

  it("takes another AS number of the cloud and another hold time", () => {
    const changed = synthesizedSite({ ...SITE_CHANGES, routing: bgp({ cloudAsn: 64900, holdSeconds: 9 }) });
    expect(changed.resource.alicloud_vpn_connection.singapore_connection.tunnel_options_specification).toMatchObject([
      { tunnel_bgp_config: { local_asn: "64900" } },
      { tunnel_bgp_config: { local_asn: "64900" } },
    ]);
    expect(JSON.parse(changed.locals!.singapore_site_json)).toMatchObject({
      bgp: { cloudAsn: 64900, asn: 65010, holdSeconds: 9 },
    });
  });

  it("shows its mode, what the ends know, and each tunnel's addresses", () => {
    const made = new DualTunnelVpn(newStack(), "vpn", { ...SITE, ...SITE_CHANGES }).connection;
    expect(made.routing).toBe(RoutingMode.BGP);
    expect(made.bgp).toEqual({ cloudAsn: 45104, asn: 65010, holdSeconds: 3 });
    expect(made.tunnels[1].bgp).toEqual({
      tunnelCidr: "169.254.12.0/30",
      cloudAddress: "169.254.12.1",
      boxAddress: "169.254.12.2",
    });
  });

  it("may have its connection and its box in two places", () => {
    const stack = newStack();
    const connection = IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "connection", EXISTING);
    new StrongswanHost(stack, "box", { connection, uplinks: [UPLINK_1, UPLINK_2], ssh: SITE.ssh });
    expect(problems(stack)).toEqual([]);
    expect(JSON.parse(synthesized(stack).locals!.office_site_json)).toMatchObject({ bgp: { asn: 65010 } });
  });
});

describe("a site without BGP", () => {
  it("has none of it anywhere, with an AS number too", () => {
    const plain = synthesizedSite();
    expect(JSON.stringify(plain)).not.toMatch(/bgp_config|"bgp|\\"bgp|asn|auto_propagate/);
    const numbered = synthesizedSite({ asn: 65010 });
    const gateways = Object.values(numbered.resource.alicloud_vpn_customer_gateway);
    expect(gateways.map(({ asn }) => asn as unknown)).toEqual(["65010", "65010"]);
    for (const gateway of gateways) delete gateway.asn;
    expect(numbered).toEqual(plain);
  });

  it("may have a gateway that propagates, as the first of the two deploys that end BGP has", () => {
    const gateway = { ...NEW_GATEWAY, autoPropagate: true };
    expect(problems(siteStack({ gateway, asn: 65010 }))).toEqual([]);
    expect(synthesizedSite({ gateway }).resource.alicloud_vpn_gateway.singapore_gateway.auto_propagate).toBe(true);
  });
});

describe("the networks of the tunnels", () => {
  const notOurs = (cidr: string) =>
    `routing.tunnelCidrs ${cidr} is not a /30 in 169.254.0.0/16, as Alibaba Cloud wants it; write it as 169.254.11.0/30.`;
  const reserved = (cidr: string) =>
    `routing.tunnelCidrs ${cidr} is one that Alibaba Cloud keeps for itself; give another one, for example 169.254.11.0/30.`;

  it.each<readonly [string, string]>([
    ["169.254.11.0/29", notOurs("169.254.11.0/29")],
    ["169.254.11.0/31", notOurs("169.254.11.0/31")],
    ["169.255.0.0/30", notOurs("169.255.0.0/30")],
    ["10.0.0.0/30", notOurs("10.0.0.0/30")],
    ["169.254.11.1/30", "routing.tunnelCidrs 169.254.11.1/30 has host bits set; write 169.254.11.0/30."],
    ["link", "routing.tunnelCidrs link is not an IPv4 CIDR block; write it as 169.254.11.0/30."],
    ...[0, 1, 2, 3, 4, 5, 6].map((third) => `169.254.${third}.0/30`).map((cidr) => [cidr, reserved(cidr)] as const),
    ["169.254.169.252/30", reserved("169.254.169.252/30")],
  ])("are not %s", (cidr, sentence) => {
    expect(cidrs(cidr, "169.254.12.0/30")).toEqual([sentence]);
    expect(cidrs("169.254.12.0/30", cidr)).toEqual([sentence]);
  });

  it("are all /30s of 169.254.0.0/16 but those that Alibaba Cloud keeps for itself, and nothing else", () => {
    const anywhere = fc.nat(2 ** 30 - 1).map((quarter) => quarter * 4);
    const linkLocal = fc.nat(2 ** 14 - 1).map((quarter) => 0xa9fe0000 + quarter * 4);
    const low = fc.tuple(fc.nat(9), fc.nat(3)).map(([third, quarter]) => 0xa9fe0000 + third * 256 + quarter * 4);
    const kept = new Set([...[0, 1, 2, 3, 4, 5, 6].map((third) => `169.254.${third}.0/30`), "169.254.169.252/30"]);
    const other = "169.254.200.0/30";
    fc.assert(
      fc.property(fc.oneof(anywhere, linkLocal, low), fc.constantFrom(29, 30, 30, 30), (address, length) => {
        const first = address - (address % 2 ** (32 - length));
        const cidr = `${formatAddress(first)}/${length}`;
        if (cidr === other) return;
        const right = length === 30 && cidr.startsWith("169.254.") && !kept.has(cidr);
        expect([cidr, cidrs(cidr, other)]).toEqual([cidr, right ? [] : [expect.any(String)]]);
      }),
      {
        numRuns: 60,
        examples: [
          [0xa9fea9fc, 30],
          [0xa9fe0000, 30],
          [0xa9fe0004, 30],
          [0xa9fefffc, 30],
        ],
      },
    );
  }, 60_000);

  it("are two", () => {
    expect(cidrs("169.254.11.0/30")).toEqual([
      "routing.tunnelCidrs has 1 entry; give one /30 for each tunnel, the active tunnel's first.",
    ]);
    expect(cidrs()).toEqual([
      "routing.tunnelCidrs has 0 entries; give one /30 for each tunnel, the active tunnel's first.",
    ]);
    expect(cidrs(...TUNNEL_CIDRS, "169.254.13.0/30")).toEqual([
      "routing.tunnelCidrs has 3 entries; give one /30 for each tunnel, the active tunnel's first.",
    ]);
    expect(cidrs("169.254.11.0/30", "169.254.11.0/30")).toEqual([
      "routing.tunnelCidrs 169.254.11.0/30 is given for both tunnels; give each a /30 of its own.",
    ]);
  });

  it("are text, because both ends are configured by them", () => {
    const stack = newStack();
    const variable = new TerraformVariable(stack, "link", { type: "string" });
    const tunnelCidrs = [variable.stringValue, "169.254.12.0/30"];
    new DualTunnelVpn(stack, "vpn", { ...SITE, ...SITE_CHANGES, routing: bgp({ tunnelCidrs }) });
    expect(problems(stack)).toEqual([
      "routing.tunnelCidrs ${var.link} is known only to Terraform; give it as text, because both ends are configured by it.",
    ]);
    expect(routing({ tunnelCidrs: Token.asList("${var.links}") })).toEqual([
      "routing.tunnelCidrs is one Terraform list; give the two blocks one by one.",
    ]);
  });

  it("share no address with the VPC's blocks, the data center's or an uplink's network", () => {
    expect(complaints({ vpcCidrs: ["169.0.0.0/8"] })).toEqual([
      "vpcCidrs 169.0.0.0/8 and routing.tunnelCidrs 169.254.11.0/30 overlap; give blocks that share no address.",
    ]);
    expect(complaints({ dataCenterCidrs: ["169.192.0.0/10"] })).toEqual([
      "dataCenterCidrs 169.192.0.0/10 and routing.tunnelCidrs 169.254.11.0/30 overlap; give blocks that share no address.",
    ]);
    expect(complaints({ dataCenterCidrs: ["169.128.0.0/10"] })).toEqual([]);
    const uplinks = [{ ...UPLINK_1, address: "169.254.12.9/24", gateway: "169.254.12.8" }, UPLINK_2];
    expect(complaints({ uplinks })).toEqual([
      "routing.tunnelCidrs 169.254.12.0/30 and the network 169.254.12.0/24 of uplinks[0] overlap; give blocks that share no address.",
    ]);
  });

  it("are compared at plan with blocks that only Terraform knows", () => {
    const stack = newStack();
    const block = new TerraformVariable(stack, "block", { type: "string" });
    new DualTunnelVpn(stack, "vpn", { ...SITE, ...SITE_CHANGES, dataCenterCidrs: [block.stringValue] });
    expect(problems(stack)).toEqual([]);
    const { lifecycle } = synthesized(stack).resource.alicloud_vpn_connection.singapore_connection;
    const messages = (lifecycle as { precondition: { error_message: string }[] }).precondition.map(
      ({ error_message }) => error_message,
    );
    expect(messages.filter((message) => message.includes("tunnelCidrs"))).toEqual(
      TUNNEL_CIDRS.map(
        (cidr) =>
          `dataCenterCidrs \${var.block} and routing.tunnelCidrs ${cidr} overlap; give blocks that share no address.`,
      ),
    );
  });
});

describe("an AS number", () => {
  const wanted = "give a whole number from 1 to 4294967295.";

  it("is one, and not Alibaba Cloud's, whichever the routing is", () => {
    const taken = (asn: number) => problems(siteStack({ asn })).length === 0;
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: -9, max: 2 ** 33 }), fc.integer({ min: 45000, max: 45200 })), (asn) => {
        expect([asn, taken(asn)]).toEqual([asn, asn >= 1 && asn <= 4294967295 && asn !== 45104]);
      }),
      { numRuns: 30, examples: [[0], [1], [45103], [45104], [45105], [4294967295], [4294967296]] },
    );
    expect(problems(siteStack({ asn: 0 }))).toEqual([`asn is 0; ${wanted}`]);
    expect(problems(siteStack({ asn: 64512.5 }))).toEqual([`asn is 64512.5; ${wanted}`]);
    expect(problems(siteStack({ asn: 45104 }))).toEqual([
      "asn 45104 is Alibaba Cloud's own, which it takes from no customer gateway; give the data center's, for example 65010.",
    ]);
    const stack = newStack();
    const asn = new TerraformVariable(stack, "asn", { type: "number" }).numberValue;
    new DualTunnelVpn(stack, "vpn", { ...SITE, asn });
    expect(problems(stack)).toEqual([`asn is known only to Terraform; ${wanted}`]);
  }, 60_000);

  it("of customer gateways, or of a connection, that exist is held to the same", () => {
    const stack = newStack();
    const pair = { ...EXISTING_CUSTOMER_GATEWAYS, asn: 45104 };
    CustomerGatewayPair.fromCustomerGatewayPairAttributes(stack, "pair", pair);
    IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "connection", { ...EXISTING, asn: 0 });
    expect(problems(stack)).toEqual([expect.stringMatching(/^asn 45104 is Alibaba/), `asn is 0; ${wanted}`]);
  });

  it("of the cloud is one, and another than the data center's", () => {
    expect(routing({ cloudAsn: 0 })).toEqual([`routing.cloudAsn is 0; ${wanted}`]);
    expect(routing({ cloudAsn: 2 ** 32 })).toEqual([`routing.cloudAsn is 4294967296; ${wanted}`]);
    expect(routing({ cloudAsn: 65010 })).toEqual([
      "asn 65010 is the cloud's too (routing.cloudAsn); give each end an AS number of its own.",
    ]);
  });

  it("is needed for BGP", () => {
    expect(complaints({ asn: undefined })).toEqual([
      "asn of the customer gateways is missing, and BGP needs it; give the data center's AS number, for example 65010.",
    ]);
    const stack = newStack();
    IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "connection", { ...EXISTING, asn: undefined });
    expect(problems(stack)).toEqual([
      "asn is missing, and BGP needs it; give the data center's AS number, as the customer gateways have it.",
    ]);
  });

  it("is that of customer gateways that are given", () => {
    const given = (theirs: number | undefined, asn: number | undefined) => {
      const stack = newStack();
      const customerGateways = CustomerGatewayPair.fromCustomerGatewayPairAttributes(stack, "pair", {
        ...EXISTING_CUSTOMER_GATEWAYS,
        asn: theirs,
      });
      new DualTunnelVpn(stack, "vpn", { ...SITE, ...SITE_CHANGES, customerGateways, asn });
      return problems(stack);
    };
    expect(given(65010, undefined)).toEqual([]);
    expect(given(65010, 65010)).toEqual([]);
    expect(given(65011, 65010)).toEqual([
      "asn 65010 is not that of customerGateways, which is 65011; leave it out, and give it to them.",
    ]);
    expect(given(undefined, 65010)).toEqual(
      expect.arrayContaining([
        "asn 65010 is not that of customerGateways, which have none; leave it out, and give it to them.",
      ]),
    );
  });
});

describe("the hold time", () => {
  it.each([0, 2, 65536, 3.5])("is not %s seconds", (holdSeconds) => {
    expect(routing({ holdSeconds })).toEqual([
      `routing.holdSeconds is ${holdSeconds}; give a whole number from 3 to 65535.`,
    ]);
  });
});

describe("routing by BGP", () => {
  it("is not its mode alone", () => {
    expect(complaints({ routing: RoutingMode.BGP })).toEqual([
      'routing RoutingMode.BGP lacks the tunnels\' networks; write Routing.bgp({ tunnelCidrs: ["169.254.11.0/30", "169.254.12.0/30"] }).',
    ]);
  });

  it("is not another mode with BGP's options: a policy-based route would come before all that BGP tells", () => {
    expect(complaints({ routing: { mode: "policy", tunnelCidrs: TUNNEL_CIDRS } as never })).toEqual([
      "routing is an object; give RoutingMode.DESTINATION, RoutingMode.POLICY or Routing.bgp({ tunnelCidrs: [...] }), or leave it out.",
    ]);
  });

  it.each<[string, unknown, string]>([
    ["nothing", undefined, "routing is missing; give an object with tunnelCidrs, "],
    ["no networks", {}, "routing.tunnelCidrs is missing; give a list of two blocks, "],
    ["null for a network", { tunnelCidrs: [null, "169.254.12.0/30"] }, "routing.tunnelCidrs[0] is null; give text, "],
    [
      "text for a number",
      { tunnelCidrs: TUNNEL_CIDRS, cloudAsn: "64900" },
      "routing.cloudAsn is text; give a number, ",
    ],
    ["a misspelt option", { tunnelCIDRs: TUNNEL_CIDRS }, "routing.tunnelCIDRs is not an option; write tunnelCidrs."],
  ])("of %s is told in one sentence", (_, options, sentence) => {
    expect(complaints({ routing: Routing.bgp(options as BgpOptions) })).toEqual([
      expect.stringContaining(sentence) as string,
    ]);
  });

  it("makes no routes that could be published", () => {
    for (const publishRoutes of [true, false]) {
      expect(complaints({ publishRoutes })).toEqual([
        "publishRoutes is for routes that the stack makes, and with BGP it makes none; leave it out, as the gateway's autoPropagate puts the data center's routes into the VPC's route table.",
      ]);
    }
  });

  it("needs a gateway that propagates, and says that it takes two deploys to end both", () => {
    const sentence =
      "gateway has autoPropagate off, without which the VPC learns no route by BGP; set autoPropagate to true, and to end BGP change routing in one deploy and autoPropagate in the next.";
    expect(complaints({ gateway: { ...NEW_GATEWAY, autoPropagate: false } })).toEqual([sentence]);
    const on = (gateway: (stack: ReturnType<typeof newStack>) => DualTunnelVpnProps["gateway"]) => {
      const stack = newStack();
      new DualTunnelVpn(stack, "vpn", { ...SITE, ...SITE_CHANGES, gateway: gateway(stack) });
      return problems(stack);
    };
    const made = (changes: Partial<NewGatewayOptions>) =>
      on((stack) => new DualTunnelVpnGateway(stack, "shared", { ...NEW_GATEWAY, ...changes }));
    const existing = (autoPropagate?: boolean) =>
      on((stack) =>
        DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "g", { ...EXISTING_GATEWAY, autoPropagate }),
      );
    expect([made({}), made({ autoPropagate: true })]).toEqual([[sentence], []]);
    expect([existing(), existing(true)]).toEqual([[sentence], []]);
  });

  it("announces neither everything nor what Alibaba Cloud keeps for itself, nor what holds that", () => {
    expect(complaints({ dataCenterCidrs: ["0.0.0.0/0"] })).toEqual([expect.stringMatching(/is everything, which/)]);
    for (const cidr of ["100.64.0.0/10", "100.100.0.0/16", "100.0.0.0/8"]) {
      expect(complaints({ dataCenterCidrs: [cidr] })).toEqual([expect.stringMatching(/overlaps 100\.64\.0\.0\/10, /)]);
    }
  });

  it("takes 50 routes, of which a block is three and one address is one: it has no halves", () => {
    const blocks = (count: number, length = 24) =>
      Array.from({ length: count }, (_, index) => `10.1.${index}.0/${length}`);
    expect(complaints({ dataCenterCidrs: blocks(16) })).toEqual([]);
    expect(complaints({ dataCenterCidrs: blocks(17) })).toEqual([
      "dataCenterCidrs are 51 routes by BGP, each block and at a failover its two halves, and Alibaba Cloud takes 50 on a VPN gateway; join some blocks.",
    ]);
    expect(complaints({ dataCenterCidrs: blocks(50, 32) })).toEqual([]);
    expect(complaints({ dataCenterCidrs: blocks(51, 32) })).toHaveLength(1);
    // 31 blocks with 64 halves, of which 30 are among them.
    const nested = [12, 13, 14, 15, 16].flatMap((length) =>
      Array.from({ length: 2 ** (length - 12) }, (_, index) => `172.${16 + index * 2 ** (16 - length)}.0.0/${length}`),
    );
    expect(complaints({ dataCenterCidrs: nested.slice(0, 24) })).toEqual([]);
    expect(complaints({ dataCenterCidrs: nested })).toEqual([expect.stringContaining(" 63 routes by BGP, ")]);
    const stack = newStack();
    const attributes = { ...EXISTING, dataCenterCidrs: blocks(17) };
    IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "connection", attributes);
    expect(problems(stack)).toHaveLength(1);
  });
});

describe("connections with BGP on one gateway", () => {
  const sites = (...changes: Partial<DualTunnelVpnProps>[]) => {
    const stack = newStack();
    const gateway = new DualTunnelVpnGateway(stack, "gateway", { ...NEW_GATEWAY, name: "shared", autoPropagate: true });
    changes.forEach(
      (each, index) =>
        new DualTunnelVpn(stack, `site-${index}`, {
          ...SITE,
          ...SITE_CHANGES,
          gateway,
          name: `site-${index}`,
          dataCenterCidrs: [`10.${index}.0.0/16`],
          uplinks: [{ ...UPLINK_1, egressIp: `198.51.100.${index + 1}` }],
          ssh: { ...SITE.ssh, host: `box-${index}` },
          ...each,
        }),
    );
    return problems(stack);
  };
  const others = bgp({ tunnelCidrs: ["169.254.13.0/30", "169.254.14.0/30"] });

  it("have networks of their own, whichever tunnel's they are", () => {
    expect(sites({}, { routing: others })).toEqual([]);
    expect(sites({}, { routing: bgp({ tunnelCidrs: ["169.254.13.0/30", "169.254.11.0/30"] }) })).toEqual([
      "routing.tunnelCidrs 169.254.11.0/30 is that of a tunnel of test/site-0/connection on the same VPN gateway; give each tunnel of a gateway a /30 of its own.",
    ]);
  });

  it("may have the networks of another gateway's", () => {
    const stack = newStack();
    [0, 1].forEach((index) => {
      const uplinks = [{ ...UPLINK_1, egressIp: `198.51.100.${index + 1}` }];
      const ssh = { ...SITE.ssh, host: `box-${index}` };
      new DualTunnelVpn(stack, `site-${index}`, { ...SITE, ...SITE_CHANGES, name: `site-${index}`, uplinks, ssh });
    });
    expect(problems(stack)).toEqual([]);
  });

  it("take 50 routes together", () => {
    const blocks = (count: number, second: number) =>
      Array.from({ length: count }, (_, index) => `10.${second}.${index}.0/24`);
    const eight = { dataCenterCidrs: blocks(8, 30) };
    expect(sites(eight, { routing: others, dataCenterCidrs: blocks(8, 31) })).toEqual([]);
    expect(sites(eight, { routing: others, dataCenterCidrs: blocks(9, 31) })).toEqual([
      "gateway has 51 routes by BGP here, each block of dataCenterCidrs and at a failover its two halves, and Alibaba Cloud takes 50 on a VPN gateway; join some blocks.",
    ]);
    expect(sites(eight, { routing: RoutingMode.DESTINATION, dataCenterCidrs: blocks(9, 31) })).toEqual([]);
  });

  it("are refused blocks that a policy-based one has, whose route would come first", () => {
    const policy = { routing: RoutingMode.POLICY, dataCenterCidrs: ["10.0.0.0/16"] };
    expect(sites(policy, { dataCenterCidrs: ["10.0.1.0/24"] })).toEqual([
      expect.stringMatching(/^dataCenterCidrs 10\.0\.1\.0\/24 overlaps 10\.0\.0\.0\/16 of test\/site-0\/connection /),
    ]);
  });
});

describe("two connections with BGP on one box", () => {
  it("may have a network of the tunnel that ends at the other box of both pairs", () => {
    const [box1, box2] = TWO_BOXES.boxes;
    const [a, b] = TUNNEL_CIDRS;
    const two = (boxes: readonly (typeof box1)[], ...tunnelCidrs: readonly string[]) => {
      const stack = newStack();
      new DualTunnelVpn(stack, "first", { ...TWO_BOXES, ...SITE_CHANGES });
      new DualTunnelVpn(stack, "second", {
        ...TWO_BOXES,
        ...SITE_CHANGES,
        name: "jakarta",
        gateway: { ...NEW_GATEWAY, vpc: { id: "vpc-2", cidrBlock: "10.64.0.0/16" } },
        boxes: boxes.map((box, index) => ({ ...box, uplink: { ...box.uplink, egressIp: `198.51.100.${index}` } })),
        virtualGateway: "172.16.3.4",
        routing: bgp({ tunnelCidrs }),
      });
      return problems(stack);
    };
    expect(two([box2, box1], a, b)).toEqual([]);
    expect(two([box2, box1], b, "169.254.14.0/30")).toEqual([
      `ssh.host box-2.example.com is the box of test/first/box-2 too, with routing.tunnelCidrs ${b} as well; give each tunnel of a box a /30 of its own.`,
    ]);
    expect(two([box1, box2], a, b)).toHaveLength(2);
  });

  it("have networks of their own, which are addresses of the box's", () => {
    const two = (second: Routing) => {
      const stack = newStack();
      const first = new DualTunnelVpn(stack, "first", { ...SITE, ...SITE_CHANGES });
      new DualTunnelVpn(stack, "second", {
        ...SITE,
        name: "jakarta",
        gateway: { ...NEW_GATEWAY, vpc: { id: "vpc-2", cidrBlock: "10.64.0.0/16" } },
        customerGateways: first.customerGateways,
        routing: second,
      });
      return problems(stack);
    };
    expect(two(bgp({ tunnelCidrs: ["169.254.13.0/30", "169.254.14.0/30"] }))).toEqual([]);
    expect(two(bgp({ tunnelCidrs: ["169.254.12.0/30", "169.254.14.0/30"] }))).toEqual([
      "ssh.host box.example.com is the box of test/first/box too, with routing.tunnelCidrs 169.254.12.0/30 as well; give each tunnel of a box a /30 of its own.",
    ]);
  });
});
