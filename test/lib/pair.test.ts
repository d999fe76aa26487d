// Two boxes for one connection: what is made for them, what each is told, and what is refused.
import { TerraformStack, TerraformVariable, Token } from "cdktf";
import * as fc from "fast-check";
import {
  CustomerGatewayPair,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  DualTunnelVpnProps,
  IpsecDualConnection,
  PairOptions,
  PeerConfiguration,
  Routing,
  StrongswanHost,
  StrongswanHostProps,
} from "../../lib";
import { derivedPort, derivedVirtualRouterId } from "../../lib/host/numbers";
import { Block, formatAddress, overlap, parseBlock } from "../../lib/ip";
import {
  EXISTING_CUSTOMER_GATEWAYS,
  EXISTING_GATEWAY,
  NEW_GATEWAY,
  newStack,
  problems,
  Resource,
  SITE,
  siteStack,
  synthesized,
  TWO_BOXES,
  UPLINK_1,
  UPLINK_2,
} from "./site";

type Changes = Partial<DualTunnelVpnProps>;

const [BOX_1, BOX_2] = TWO_BOXES.boxes;
const stackOf = (changes: Changes = {}) => {
  const stack = newStack();
  new DualTunnelVpn(stack, "vpn", { ...TWO_BOXES, ...changes });
  return stack;
};
const complaints = (changes: Changes) => problems(stackOf(changes));
const first = (changes: Partial<typeof BOX_1>) => complaints({ boxes: [{ ...BOX_1, ...changes }, BOX_2] });
const lans = (one: string, two: string, changes: Changes = {}) =>
  complaints({
    boxes: [
      { ...BOX_1, lan: { address: one } },
      { ...BOX_2, lan: { address: two } },
    ],
    ...changes,
  });

describe("a site with two boxes", () => {
  it("names what each box has after the site and the box's number", () => {
    const { resource, locals, variable } = synthesized(stackOf());
    const names = (type: string) => Object.keys(resource[type]).sort();
    expect(names("null_resource")).toEqual([
      "singapore_configure_box_1_over_ssh",
      "singapore_configure_box_2_over_ssh",
      "singapore_prepare_box_1_over_ssh",
      "singapore_prepare_box_2_over_ssh",
    ]);
    expect(names("terraform_data")).toEqual([
      "singapore_box_1",
      "singapore_box_1_presence",
      "singapore_box_2",
      "singapore_box_2_presence",
      "singapore_gateway_second_vswitch",
    ]);
    expect(Object.keys(locals!).sort()).toEqual([
      "singapore_owner_json_of_box_1",
      "singapore_owner_json_of_box_2",
      "singapore_secrets_1_conf_of_box_1",
      "singapore_secrets_2_conf_of_box_2",
      "singapore_site_json_of_box_1",
      "singapore_site_json_of_box_2",
      "singapore_tunnel_1_conf_of_box_1",
      "singapore_tunnel_2_conf_of_box_2",
    ]);
    expect(Object.keys(variable!)).toEqual(["singapore_psk_active", "singapore_psk_standby"]);
  });

  it("has the cloud's side of a site with one box and the same uplinks", () => {
    const cloud = (stack: TerraformStack) => {
      const { resource } = synthesized(stack);
      const connection = resource.alicloud_vpn_connection.singapore_connection;
      const { depends_on: waits, ...rest } = connection;
      expect((waits as string[])[0]).toBe("alicloud_vpn_gateway.singapore_gateway");
      return { ...resource, alicloud_vpn_connection: rest, null_resource: undefined, terraform_data: undefined };
    };
    expect(cloud(stackOf())).toEqual(cloud(siteStack()));
    const bgp = { routing: Routing.bgp({ tunnelCidrs: ["169.254.11.0/30", "169.254.12.0/30"] }), asn: 65010 };
    expect(cloud(stackOf(bgp))).toEqual(cloud(siteStack(bgp)));
  });

  it("is the same for another vendor's device", () => {
    const peer = (changes: Changes) => {
      const { connection } = new DualTunnelVpn(newStack(), "vpn", { ...SITE, ...changes });
      return PeerConfiguration.of(connection)
        .swanctl()
        .replaceAll(/\$\{TfToken[^}]*\}/g, "token");
    };
    expect(peer(TWO_BOXES)).toBe(peer({}));
  });

  it("tells each box this", () => {
    const { locals } = synthesized(
      stackOf({ routing: Routing.bgp({ tunnelCidrs: ["169.254.11.0/30", "169.254.12.0/30"] }), asn: 65010 }),
    );
    for (const number of [1, 2]) {
      expect(JSON.parse(locals![`singapore_site_json_of_box_${number}`])).toMatchSnapshot(`box ${number}`);
    }
  });

  it("tells each box its own tunnel and that one's key, and nothing of the other's", () => {
    const { resource, locals } = synthesized(stackOf());
    for (const [number, role, other] of [
      [1, "active", "standby"],
      [2, "standby", "active"],
    ] as const) {
      for (const what of ["configure", "prepare"]) {
        const steps = resource.null_resource[`singapore_${what}_box_${number}_over_ssh`].provisioner as Resource[];
        const content = steps.flatMap(({ file }) => String((file as Resource | undefined)?.content ?? "")).join("");
        const files = [...content.matchAll(/^(\S+) \$\{base64encode\(local\.(\w+)\)\}$/gm)];
        expect(files.map(([, name]) => name)).toEqual([
          ...(what === "configure" ? ["site.json"] : []),
          "owner.json",
          `tunnel-${number}.conf`,
          `secrets-${number}.conf`,
        ]);
        const delivered = files.map(([, , local]) => locals![local]).join("");
        expect(delivered).toContain(`var.singapore_psk_${role}`);
        expect(delivered).not.toContain(`singapore_psk_${other}`);
        expect(delivered).not.toContain(`singapore-${3 - number}`);
      }
    }
  });

  it("has each box configured anew for what it is told alone", () => {
    const triggers = (number: number, what: string) =>
      resource.null_resource[`singapore_${what}_box_${number}_over_ssh`].triggers as object;
    const { resource } = synthesized(stackOf());
    for (const number of [1, 2]) {
      const tunnels = {
        host: `box-${number}.example.com`,
        [`tunnel_${number}`]: `\${sha256(jsonencode([local.singapore_tunnel_${number}_conf_of_box_${number}]))}`,
        keys: `\${sha256(jsonencode([local.singapore_secrets_${number}_conf_of_box_${number}]))}`,
      };
      expect(triggers(number, "prepare")).toEqual(tunnels);
      expect(triggers(number, "configure")).toEqual({
        ...tunnels,
        host_key: expect.any(String) as string,
        programs: expect.any(String) as string,
        site: `\${sha256(jsonencode([local.singapore_site_json_of_box_${number}]))}`,
        owner: `\${sha256(jsonencode([local.singapore_owner_json_of_box_${number}]))}`,
      });
    }
  });

  it("has box 2 made ready and configured before box 1, and the connection changed in between", () => {
    const { resource } = synthesized(stackOf());
    const waits = ({ depends_on: on }: Resource) => on as string[];
    const [configure1, configure2, prepare1, prepare2] = Object.entries(resource.null_resource)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, each]) => waits(each));
    expect(waits(resource.alicloud_vpn_connection.singapore_connection)).toEqual(
      expect.arrayContaining([
        "null_resource.singapore_prepare_box_1_over_ssh",
        "null_resource.singapore_prepare_box_2_over_ssh",
      ]),
    );
    expect(prepare1).toEqual([
      "alicloud_vpn_gateway.singapore_gateway",
      "null_resource.singapore_prepare_box_2_over_ssh",
    ]);
    expect(prepare2).toEqual(["alicloud_vpn_gateway.singapore_gateway"]);
    for (const each of [configure1, configure2]) expect(each).toContain("alicloud_vpn_connection.singapore_connection");
    expect(configure1).toContain("null_resource.singapore_configure_box_2_over_ssh");
    expect(JSON.stringify(configure2)).not.toContain("box_1");
  });

  it("keeps the box that it had alone as box 1", () => {
    const { moved } = synthesized(stackOf()) as unknown as { moved: { from: string; to: string }[] };
    expect(moved.filter(({ from }) => from.startsWith("terraform_data."))).toEqual([
      { from: "terraform_data.singapore_box", to: "terraform_data.singapore_box_1" },
      { from: "terraform_data.singapore_box_presence", to: "terraform_data.singapore_box_1_presence" },
    ]);
  });

  it("has been what the stack says that it was, where that is another name", () => {
    const stack = newStack();
    const { hosts } = new DualTunnelVpn(stack, "vpn", TWO_BOXES);
    hosts[0].presence.moveFromId("terraform_data.sin_box_1_presence");
    const { moved } = synthesized(stack) as unknown as { moved: { from: string; to: string }[] };
    expect(moved.filter(({ to }) => to === "terraform_data.singapore_box_1_presence")).toEqual([
      { from: "terraform_data.sin_box_1_presence", to: "terraform_data.singapore_box_1_presence" },
    ]);
  });

  it("uninstalls each box by itself when its host is another one", () => {
    const formerly = { ...BOX_2, ssh: { ...BOX_2.ssh, formerHost: "old.example.com" } };
    const { resource } = synthesized(stackOf({ boxes: [BOX_1, formerly] }));
    expect(resource.terraform_data.singapore_box_1.input).toEqual({ host: "box-1.example.com" });
    expect(resource.terraform_data.singapore_box_2.input).toEqual({ host: "old.example.com" });
    expect(resource.terraform_data.singapore_box_2_presence.lifecycle).toMatchObject({
      replace_triggered_by: ["terraform_data.singapore_box_2"],
    });
  });

  it("may have both boxes behind one egress IP, by one customer gateway", () => {
    const boxes = [BOX_1, { ...BOX_2, uplink: { ...UPLINK_2, egressIp: UPLINK_1.egressIp } }];
    const stack = stackOf({ boxes });
    expect(problems(stack)).toEqual([]);
    const { resource } = synthesized(stack);
    expect(Object.keys(resource.alicloud_vpn_customer_gateway)).toHaveLength(1);
  });

  it("may have both boxes behind one egress IP that is a variable, and says how where two variables tell it", () => {
    const behind = (...names: readonly [string, string]) => {
      const stack = newStack();
      const variables = [...new Set(names)].map((name) => new TerraformVariable(stack, name, { type: "string" }));
      const boxes = [BOX_1, BOX_2].map((box, index) => {
        const egressIp = variables.find(({ node }) => node.id === names[index])!.stringValue;
        return { ...box, uplink: { ...box.uplink, egressIp } };
      });
      new DualTunnelVpn(stack, "vpn", { ...TWO_BOXES, boxes });
      expect(problems(stack)).toEqual([]);
      return Object.values(synthesized(stack).resource.alicloud_vpn_customer_gateway);
    };

    const same = behind("a", "a");
    expect(same.map(({ ip_address }) => String(ip_address))).toEqual(["${var.a}"]);
    const [, second] = behind("a", "b");
    expect((second.lifecycle as { precondition: Resource[] }).precondition).toContainEqual({
      condition: "${(var.a != var.b)}",
      error_message:
        "egressIp ${var.b} is given twice, which Alibaba Cloud refuses; with one box give it, and its uplink, once, and with two boxes give both one and the same variable.",
    });
  });

  it("leaves both hosts within reach, the active tunnel's first", () => {
    const { hosts, host } = new DualTunnelVpn(newStack(), "vpn", TWO_BOXES);
    expect(hosts.map(({ node }) => node.id)).toEqual(["box-1", "box-2"]);
    expect(host).toBe(hosts[0]);
    expect(new DualTunnelVpn(newStack(), "vpn", SITE).hosts.map(({ node }) => node.id)).toEqual(["box"]);
  });
});

describe("a site with two boxes is refused", () => {
  it("with something of a site with one beside them, or with half of what two need", () => {
    expect(complaints({ ssh: SITE.ssh, uplinks: SITE.uplinks })).toEqual([
      "ssh and uplinks of one box and the boxes or the virtualGateway of two are given; give ssh and uplinks, or boxes and virtualGateway.",
    ]);
    expect(complaints({ ssh: SITE.ssh })).toHaveLength(1);
    expect(complaints({ virtualGateway: undefined })).toEqual([
      "virtualGateway is missing; give text, for example 172.16.3.1.",
    ]);
    expect(problems(siteStack({ virtualGateway: "172.16.3.1" }))).toEqual([
      "boxes is missing; give a list of two boxes.",
      "ssh and uplinks of one box and the boxes or the virtualGateway of two are given; give ssh and uplinks, or boxes and virtualGateway.",
    ]);
  });

  it("with one box, none, or three", () => {
    for (const [boxes, entries] of [
      [[], "0 entries"],
      [[BOX_1], "1 entry"],
      [[BOX_1, BOX_2, BOX_2], "3 entries"],
    ] as const) {
      expect(complaints({ boxes })).toEqual([
        `boxes has ${entries}; give two, the active tunnel's first, or one box by ssh and uplinks.`,
      ]);
    }
  });

  it("with what is no box, or a box without a part, in the words of the options", () => {
    const odd = (boxes: unknown) => complaints({ boxes } as Changes);
    expect(odd("two")).toEqual(["boxes is text; give a list of two boxes."]);
    expect(odd(null)).toEqual(["boxes is null; give a list of two boxes."]);
    expect(odd([BOX_1, null])).toEqual(["boxes[1] is null; give an object with ssh, uplink and lan."]);
    expect(odd([{ ssh: BOX_1.ssh, uplink: UPLINK_1 }, BOX_2])).toEqual([
      "boxes[0].lan is missing; give an object with address.",
    ]);
    expect(odd([{ ...BOX_1, lan: { adress: "172.16.3.2/24" } }, BOX_2])).toEqual([
      "boxes[0].lan.adress is not an option; write address.",
    ]);
    expect(odd([{ ...BOX_1, uplinks: [UPLINK_1], uplink: undefined }, BOX_2])).toEqual([
      "boxes[0].uplinks is not an option; write uplink.",
    ]);
  });

  it("on one machine", () => {
    expect(complaints({ boxes: [BOX_1, { ...BOX_2, ssh: BOX_1.ssh }] })).toEqual([
      "ssh.host box-1.example.com is given for both boxes; give each box its own.",
    ]);
    expect(
      complaints({ boxes: [BOX_1, { ...BOX_2, ssh: { ...BOX_1.ssh, host: "BOX-1.example.com." } }] }),
    ).toHaveLength(1);
    // Two boxes behind one address.
    expect(complaints({ boxes: [BOX_1, { ...BOX_2, ssh: { ...BOX_1.ssh, port: 2222 } }] })).toEqual([]);
    const stack = newStack();
    const variable = new TerraformVariable(stack, "host", { type: "string" });
    const [one, two] = [BOX_1, BOX_2].map((box) => ({ ...box, ssh: { ...box.ssh, host: variable.stringValue } }));
    new DualTunnelVpn(stack, "vpn", { ...TWO_BOXES, boxes: [one, two] });
    expect(problems(stack)).toEqual(["ssh.host ${var.host} is given for both boxes; give each box its own."]);
  });

  it.each(["172.16.3.2", "172.16.3.2/33", "eth2", ""])("with %j as an address in the LAN", (address) => {
    expect(lans(address, "172.16.3.3/24")).toEqual([
      `lan.address "${address}" is not an IPv4 address with a prefix length; write it as 172.16.3.2/24.`,
    ]);
  });

  it.each([7, 30, 31, 32])("with a LAN of prefix %d", (length) => {
    expect(lans(`172.16.3.2/${length}`, "172.16.3.3/24")).toEqual([
      `lan.address 172.16.3.2/${length} has a prefix of ${length}; give the address in a network with one from 8 to 29, which has room for both boxes, the virtual gateway and hosts.`,
    ]);
  });

  it("with an address that is the network's own, its broadcast address, or known only to Terraform", () => {
    for (const address of ["172.16.3.0/24", "172.16.3.255/24"]) {
      expect(lans(address, "172.16.3.3/24")).toEqual([
        `lan.address ${address} is the network's own or its broadcast address; give the interface's.`,
      ]);
    }
    expect(lans(Token.asString("${var.lan}"), "172.16.3.3/24")).toEqual([
      "lan.address is known only to Terraform; give it as text, because the box is configured by it.",
    ]);
  });

  it("with the boxes in two networks, or in one with two prefixes, or at one address", () => {
    expect(lans("172.16.3.2/24", "172.16.4.3/24")).toEqual([
      "lan.address is 172.16.3.2/24 on box 1 and 172.16.4.3/24 on box 2; give two addresses of one network, with its prefix length.",
    ]);
    expect(lans("172.16.3.2/24", "172.16.3.3/25")).toHaveLength(1);
    expect(lans("172.16.3.2/24", "172.16.3.2/24")).toEqual([
      "lan.address 172.16.3.2 is given for both boxes; give each box its own.",
    ]);
  });

  it("with a virtual gateway that is no free address of the LAN", () => {
    const gateway = (virtualGateway: string) => complaints({ virtualGateway });
    expect(gateway("router")).toEqual(['virtualGateway "router" is not an IPv4 address; write it as 172.16.3.1.']);
    expect(gateway("172.16.4.1")).toEqual([
      "virtualGateway 172.16.4.1 is outside the LAN's network 172.16.3.0/24; give an address in it which no machine has.",
    ]);
    expect(gateway("172.16.3.3")).toEqual([
      "virtualGateway 172.16.3.3 is the LAN address of box 2; give a third address there, which no machine has.",
    ]);
    for (const end of ["172.16.3.0", "172.16.3.255"]) {
      expect(gateway(end)).toEqual([
        `virtualGateway ${end} is the network's own or its broadcast address; give a third address there, which no machine has.`,
      ]);
    }
  });

  it("with a LAN that is also an uplink's network, a block of the VPC, or a tunnel's", () => {
    expect(lans("172.16.2.2/23", "172.16.3.3/23")).toEqual([
      "the network 172.16.2.0/24 of box 2's uplink and the LAN's, 172.16.2.0/23, overlap; the LAN needs a network of its own.",
    ]);
    expect(lans("192.168.3.2/24", "192.168.3.3/24", { virtualGateway: "192.168.3.1" })).toEqual([
      "vpcCidrs 192.168.0.0/16 and the LAN's network 192.168.3.0/24 overlap; give blocks that share no address.",
    ]);
    const routing = Routing.bgp({ tunnelCidrs: ["169.254.11.0/30", "169.254.12.0/30"] });
    expect(lans("169.254.11.2/24", "169.254.11.3/24", { virtualGateway: "169.254.11.1", routing, asn: 65010 })).toEqual(
      [
        "routing.tunnelCidrs 169.254.11.0/30 and the LAN's network 169.254.11.0/24 overlap; give blocks that share no address.",
      ],
    );
  });

  it("with a LAN that is none of the data center's blocks, which each box would refuse", () => {
    const said = (...dataCenterCidrs: string[]) => complaints({ dataCenterCidrs });
    expect(said("10.1.0.0/16", "172.16.4.0/24")).toEqual([
      "lan.address 172.16.3.2/24 of box 1 is in none of dataCenterCidrs (10.1.0.0/16, 172.16.4.0/24); add the block of the LAN, whose hosts the VPC is to reach.",
    ]);
    expect(said("10.1.0.0/16", "172.16.3.2/32")).toEqual([
      expect.stringMatching(/^lan\.address 172\.16\.3\.3\/24 of box 2 is in none of dataCenterCidrs/),
    ]);
    expect(said("10.1.0.0/16", "172.16.3.2/31")).toEqual([]);
    // Of what is no block that alone is told.
    expect(said("10.1.0.0/16", "172.16.3.0")).toHaveLength(1);
    expect(said("10.1.0.0/16", Token.asString("${var.block}"))).toEqual([]);
  });

  it("with an interface that is none, or the uplink's", () => {
    expect(first({ lan: { address: "172.16.3.2/24", device: "eth 2" } as typeof BOX_1.lan })).toEqual([
      'lan.device "eth 2" is not an interface\'s name; write it as ip link prints it, for example eth0.',
    ]);
    const device = { device: "eth0" };
    expect(first({ lan: { ...BOX_1.lan, ...device }, uplink: { ...UPLINK_1, ...device } })).toEqual([
      "lan.device eth0 of box 1 is its uplink's too; the LAN needs an interface of its own.",
    ]);
  });

  it("with what is wrong with one box, told of that box once", () => {
    expect(first({ uplink: { ...UPLINK_1, gateway: "172.16.2.253" } })).toEqual([
      "uplink.gateway 172.16.2.253 is outside the uplink's network 172.16.1.0/24; give the next router in that network.",
    ]);
    expect(first({ ssh: { ...BOX_1.ssh, port: 0 } })).toEqual(["ssh.port 0 is not a port; give 1 to 65535."]);
    expect(complaints({ standbyTunnel: { natTraversal: false } })).toEqual([
      "standby tunnel: natTraversal is off and its uplink 172.16.2.57 is behind NAT (the cloud sees 203.0.113.181); leave it on.",
    ]);
  });

  it("in another order than that of the customer gateways", () => {
    const stack = newStack();
    const customerGateways = CustomerGatewayPair.fromCustomerGatewayPairAttributes(
      stack,
      "customer-gateways",
      EXISTING_CUSTOMER_GATEWAYS,
    );
    new DualTunnelVpn(stack, "vpn", {
      ...TWO_BOXES,
      customerGateways,
      boxes: [
        { ...BOX_1, uplink: UPLINK_2 },
        { ...BOX_2, uplink: UPLINK_1 },
      ],
    });
    expect(problems(stack)).toEqual([
      "boxes[0].uplink.egressIp 203.0.113.181 is not the customer gateway's, 198.51.100.198; give the boxes in the customer gateways' order.",
      "boxes[1].uplink.egressIp 198.51.100.198 is not the customer gateway's, 203.0.113.181; give the boxes in the customer gateways' order.",
    ]);
  });
});

describe("what only Terraform knows of two boxes", () => {
  const conditions = (changes: Changes, resource: (number: number) => [string, string]) => {
    const stack = stackOf(changes);
    expect(problems(stack)).toEqual([]);
    return [1, 2].map((number) => {
      const [type, name] = resource(number);
      const { precondition } = synthesized(stack).resource[type][name].lifecycle as { precondition: Resource[] };
      return precondition.map(({ error_message }) => String(error_message));
    });
  };
  const presence = (number: number): [string, string] => ["terraform_data", `singapore_box_${number}_presence`];

  it("is checked at plan: the virtual gateway and the interfaces' names", () => {
    const virtualGateway = Token.asString("${var.gateway}");
    const device = Token.asString("${var.device}");
    const boxes = [BOX_1, { ...BOX_2, lan: { ...BOX_2.lan, device } }];
    const [one, two] = conditions({ virtualGateway, boxes }, presence);
    const gateway = [
      "virtualGateway ${var.gateway} is not an IPv4 address; write it as 172.16.3.1.",
      "virtualGateway ${var.gateway} is outside the LAN's network 172.16.3.0/24; give an address in it which no machine has.",
      "virtualGateway ${var.gateway} is one of the two boxes', the network's own or its broadcast address; give a third address there, which no machine has.",
    ];
    expect(one).toEqual(gateway);
    expect(two).toEqual([
      "lan.device ${var.device} is not an interface's name; write it as ip link prints it, for example eth0.",
      ...gateway,
    ]);
  });

  const configuration = (number: number): [string, string] => [
    "null_resource",
    `singapore_configure_box_${number}_over_ssh`,
  ];

  it("is checked at plan: that a block of the data center has the LAN's addresses", () => {
    const dataCenterCidrs = ["10.1.0.0/16", Token.asString("${var.block}")];
    expect(conditions({ dataCenterCidrs }, configuration)).toEqual(
      [1, 2].map((number) => [
        `lan.address 172.16.3.${1 + number}/24 of box ${number} is in none of dataCenterCidrs (10.1.0.0/16, \${var.block}); add the block of the LAN, whose hosts the VPC is to reach.`,
      ]),
    );
  });

  it("is checked at plan: that no block of the VPC is the LAN or an uplink's network", () => {
    const vpcCidrs = [Token.asString("${var.block}")];
    expect(conditions({ vpcCidrs }, configuration)).toEqual(
      ["172.16.1.0/24", "172.16.2.0/24"].map((network) => [
        `vpcCidrs \${var.block} and the network of uplink ${network} overlap; give blocks that share no address.`,
        "vpcCidrs ${var.block} and the network of lan 172.16.3.0/24 overlap; give blocks that share no address.",
      ]),
    );
  });

  it("is not the boxes themselves", () => {
    expect(complaints({ boxes: Token.asList("${var.boxes}") as never })).toEqual([
      "boxes is one Terraform list; give the two boxes one by one.",
    ]);
  });
});

describe("the hosts of one connection", () => {
  const LANS = ["172.16.3.2", "172.16.3.3"];
  const half = (number: 1 | 2, changes: Partial<PairOptions> = {}): PairOptions => ({
    number,
    lan: { address: `${LANS[number - 1]}/24` },
    otherLanAddress: LANS[2 - number],
    virtualGateway: "172.16.3.1",
    ...changes,
  });
  const connectionIn = (stack: TerraformStack) =>
    new IpsecDualConnection(stack, "connection", {
      name: "singapore",
      gateway: DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", EXISTING_GATEWAY),
      customerGateways: CustomerGatewayPair.fromCustomerGatewayPairAttributes(
        stack,
        "customer-gateways",
        EXISTING_CUSTOMER_GATEWAYS,
      ),
      dataCenterCidrs: ["172.16.0.0/16"],
    });
  const hosts = (...pairs: readonly (PairOptions | undefined)[]) => {
    const stack = newStack();
    const connection = connectionIn(stack);
    pairs.forEach((pair, index) => {
      const uplinks = pair === undefined ? SITE.uplinks : [SITE.uplinks[pair.number - 1]];
      const props: StrongswanHostProps = { connection, uplinks, pair, ssh: { ...SITE.ssh, host: `host-${index}` } };
      new StrongswanHost(stack, `host-${index}`, props);
    });
    return stack;
  };

  it("are one, or the two of a pair", () => {
    expect(problems(hosts(undefined))).toEqual([]);
    expect(problems(hosts(half(1), half(2)))).toEqual([]);
    expect(problems(hosts(undefined, undefined))).toEqual([
      "connection singapore has a box already, test/host-0; give each connection one.",
    ]);
    for (const pairs of [
      [undefined, half(2)],
      [half(1), undefined],
    ]) {
      expect(problems(hosts(...pairs))).toContain(
        "connection singapore has a box already, test/host-0, and one of them is of no pair; give both pair.",
      );
    }
    expect(problems(hosts(half(1), half(1)))).toEqual([
      "connection singapore has its box 1 already, test/host-0; give one of them the pair.number 2.",
    ]);
    expect(problems(hosts(half(2)))).toEqual([
      "connection singapore has box 2 of a pair and no box 1 in this stack; make that box's StrongswanHost here too.",
    ]);
  });

  it("come in the order of their numbers, not of the code", () => {
    const order = (...pairs: PairOptions[]) => {
      const { resource } = synthesized(hosts(...pairs));
      return Object.fromEntries(
        ["null_resource", "alicloud_vpn_connection"].flatMap((type) =>
          Object.entries(resource[type]).map(([name, { depends_on: on }]) => [
            name,
            [...((on as string[]) ?? [])].sort(),
          ]),
        ),
      );
    };
    expect(order(half(2), half(1))).toEqual(order(half(1), half(2)));
  });

  it("agree on the address that both have by turns, and know each other's", () => {
    expect(problems(hosts(half(1), half(2, { virtualGateway: "172.16.3.9" })))).toEqual([
      "virtualGateway is 172.16.3.1 on box 1 and 172.16.3.9 on box 2; give both the same.",
    ]);
    expect(problems(hosts(half(1, { otherLanAddress: "172.16.3.7" }), half(2)))).toEqual([
      "pair.otherLanAddress of box 1 is 172.16.3.7, and box 2 has 172.16.3.3; give that.",
    ]);
  });

  it("are told what a pair is made of, as callers without a type checker give it", () => {
    const odd = (pair: object) => problems(hosts(half(1), { ...half(2), ...pair }));
    expect(odd({ number: 3 })).toContain("pair.number is 3; give 1 or 2.");
    expect(odd({ number: "2" })).toContain("pair.number is text; give 1 or 2.");
    expect(odd({ lan: undefined })).toEqual(["pair.lan is missing; give an object with address."]);
    expect(odd({ lanAddress: "172.16.3.3" })).toEqual([]);
    const stack = newStack();
    new StrongswanHost(stack, "box", {
      connection: connectionIn(stack),
      uplinks: [UPLINK_1, UPLINK_2],
      pair: half(1),
      ssh: SITE.ssh,
    });
    expect(problems(stack)).toContain("uplinks has 2 entries; give the one uplink of this box of the pair.");
  });
});

describe("two connections on the same two boxes", () => {
  const two = (changes: Changes, first: Changes = {}, stack = newStack()) => {
    const { customerGateways } = new DualTunnelVpn(stack, "first", { ...TWO_BOXES, ...first });
    new DualTunnelVpn(stack, "second", {
      ...TWO_BOXES,
      name: "jakarta",
      gateway: { ...NEW_GATEWAY, vpc: { id: "vpc-2", cidrBlock: "10.64.0.0/16" } },
      customerGateways,
      virtualGateway: "172.16.3.4",
      ...changes,
    });
    return problems(stack);
  };

  it("have a virtual gateway each", () => {
    expect(two({})).toEqual([]);
    expect(two({ virtualGateway: "172.16.3.1" })).toEqual(
      [1, 2].map(
        (number) =>
          `ssh.host box-${number}.example.com is the box of test/first/box-${number} too, with the virtualGateway 172.16.3.1 as well; give each connection of two boxes its own.`,
      ),
    );
  });

  it("have a virtual gateway each, by one variable too", () => {
    const stack = newStack();
    const variable = new TerraformVariable(stack, "gateway", { type: "string" });
    const one = { virtualGateway: variable.stringValue };
    expect(two({ virtualGateway: variable.stringValue }, one, stack)).toEqual(
      [1, 2].map(
        () => expect.stringContaining(" too, with the virtualGateway ${var.gateway} as well; give ") as string,
      ),
    );
  });

  it("have names that give two virtual router ids and two ports", () => {
    const names = Array.from({ length: 2000 }, (_, index) => `site-${index}`);
    const same = names.find(
      (name) =>
        derivedVirtualRouterId(name) === derivedVirtualRouterId("singapore") &&
        derivedPort(name) !== derivedPort("singapore"),
    )!;
    const said = two({ name: same });
    expect(said).toHaveLength(2);
    expect(said[0]).toMatch(
      / give the same (virtual router id or port|firewall mark) there; give one of them another name\.$/,
    );
  });
});

describe("whatever addresses two boxes are given", () => {
  const block = (longest: number) =>
    fc.tuple(fc.integer({ min: 0, max: 2 ** 16 - 1 }), fc.integer({ min: 7, max: longest })).map(([part, length]) => {
      // In 172.16.0.0 and what is near it, so that blocks meet.
      const address = 0xac100000 + part;
      const size = 2 ** (32 - length);
      return parseBlock(`${formatAddress(address - (address % size))}/${length}`)!;
    });
  const within = ({ first, last }: Block) =>
    fc.integer({ min: 0, max: 7 }).map((step) => formatAddress(Math.min(first + step, last)));
  const given = fc.record({ lan: block(31), vpc: block(24) }).chain(({ lan, vpc }) =>
    fc.record({
      told: fc.boolean(),
      lan: fc.constant(lan),
      vpc: fc.constant(vpc),
      one: within(lan),
      two: within(lan),
      virtual: within(lan),
    }),
  );

  it("they are taken where the three are hosts of one block of the data center's that is neither the VPC's nor an uplink's", () => {
    const uplinks = ["172.16.1.0/24", "172.16.2.0/24"].map((text) => parseBlock(text)!);
    const seen = new Set<boolean>();
    fc.assert(
      fc.property(given, ({ lan, vpc, one, two, virtual, told }) => {
        // What the uplinks and the VPC say to each other is theirs.
        fc.pre(!uplinks.some((uplink) => overlap(uplink, vpc)));
        const said = lans(`${one}/${lan.prefixLength}`, `${two}/${lan.prefixLength}`, {
          virtualGateway: virtual,
          vpcCidrs: [vpc.text],
          dataCenterCidrs: ["10.1.0.0/16", ...(told ? [lan.text] : [])],
        });
        const ends = [lan.first, lan.last].map(formatAddress);
        const right =
          told &&
          lan.prefixLength >= 8 &&
          lan.prefixLength <= 29 &&
          new Set([one, two, virtual, ...ends]).size === 5 &&
          ![vpc, ...uplinks].some((other) => overlap(other, lan));
        seen.add(right);
        expect([said, said.length === 0]).toEqual([said, right]);
        for (const sentence of said) expect(sentence).toMatch(/\.$/);
      }),
      {
        numRuns: 150,
        examples: [
          [
            {
              lan: parseBlock("172.16.3.0/24")!,
              vpc: parseBlock("172.20.0.0/16")!,
              one: "172.16.3.2",
              two: "172.16.3.3",
              virtual: "172.16.3.1",
              told: true,
            },
          ],
        ],
      },
    );
    expect(seen.size).toBe(2);
  }, 120_000);
});
