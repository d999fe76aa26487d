// Inputs that the box or Alibaba Cloud would refuse after the gateway exists and is billed: told at synth.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { generateKeyPairSync } from "node:crypto";
import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { App, TerraformStack, TerraformVariable, Testing } from "cdktf";
import * as fc from "fast-check";
import { utils } from "ssh2";
import {
  CustomerGatewayPair,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  DualTunnelVpnProps,
  IpsecDualConnection,
  RoutingMode,
  SshOptions,
  UplinkOptions,
} from "../../lib";
import {
  EXISTING_CUSTOMER_GATEWAYS,
  EXISTING_GATEWAY,
  NEW_GATEWAY,
  newStack,
  problems,
  SITE,
  siteStack,
  synthesizedSite,
  UPLINK_1,
  UPLINK_2,
  warnings,
} from "./site";

const complaints = (changes: Partial<DualTunnelVpnProps>) => problems(siteStack(changes));
const uplink = (changes: Partial<UplinkOptions>) => complaints({ uplinks: [{ ...UPLINK_1, ...changes }, UPLINK_2] });
const ssh = (changes: Partial<SshOptions>) => complaints({ ssh: { ...SITE.ssh, ...changes } });
const untyped = (changes: object) => complaints(changes);

describe("an interface's name", () => {
  const taken = (device: string) => uplink({ device }).length === 0;

  it.each(["wan@if5", 'eth"0', "$(x)", "", ".", "..", "wän0", "a b", "eth0\n", "a/b"])("is not %j", (device) =>
    expect(taken(device)).toBe(false),
  );

  it("is the part before the @ of what ip link prints", () => {
    expect(uplink({ device: "wan@if5" })).toEqual([
      'uplinks[0].device "wan@if5" holds more than the interface\'s name; write wan.',
    ]);
  });

  it("is taken exactly where the box takes it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 17 }), fc.string({ unit: "binary", maxLength: 17 })), (text) => {
        fc.pre(!text.includes("${"));
        expect(taken(text)).toBe(/^[A-Za-z0-9_.-]{1,15}$/.test(text) && !text.endsWith("\n") && !/^\.\.?$/.test(text));
      }),
      { numRuns: 60 },
    );
  });
});

describe("a box's host", () => {
  it.each(["box:2222", "999.1.1.1", "...", "0.0.0.0", "255.255.255.255", "224.0.0.1", "1.2.3", "-box", "box-", "a..b"])(
    "is not %j",
    (host) => expect(ssh({ host })).toHaveLength(1),
  );

  it("is asked of a former host too", () => {
    expect(ssh({ formerHost: "999.1.1.1" })).toHaveLength(1);
    expect(ssh({ boxMayBeGone: "yes" as never })).toHaveLength(1);
  });

  it("has its port beside it", () => {
    expect(ssh({ host: "box:2222" })).toEqual(['ssh.host "box:2222" holds a port; write box, and ssh.port 2222.']);
  });

  it.each(["box", "box.example.com", "box.example.com.", "a_b", "192.0.2.1", "2001:db8::1", "xn--bcher-kva.example"])(
    "may be %s",
    (host) => expect(ssh({ host })).toEqual([]),
  );

  it("is any address that a machine can have", () => {
    fc.assert(
      fc.property(fc.ipV4(), (host) => {
        const first = Number(host.split(".")[0]);
        expect(ssh({ host })).toHaveLength(first === 0 || first >= 224 ? 1 : 0);
      }),
      { numRuns: 60 },
    );
  });
});

describe("the metric of the routes", () => {
  it("is below that of the agent's guards", () => {
    expect(complaints({ routeMetric: 4294967294 })).toEqual([]);
    expect(complaints({ routeMetric: 4294967295 })).toEqual([
      "routeMetric is 4294967295; give a whole number from 1 to 4294967294.",
    ]);
  });
});

describe("a private key's file", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-keys-"));
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
  const file = (name: string, content: string) => {
    fs.writeFileSync(path.join(directory, name), content, { mode: 0o600 });
    return path.join(directory, name);
  };
  const pair = (passphrase?: string) =>
    utils.generateKeyPairSync("ed25519", passphrase ? { passphrase, cipher: "aes256-ctr", rounds: 1 } : undefined);
  const complaint = (privateKeyPath: string) => ssh({ privateKeyPath }).map((text) => text.replace(directory, "DIR"));

  it("may be in OpenSSH's form or in PEM, and may be on another machine", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    expect(complaint(file("openssh", pair().private))).toEqual([]);
    expect(complaint(file("pkcs8", String(privateKey.export({ type: "pkcs8", format: "pem" }))))).toEqual([]);
    expect(complaint(file("sec1", String(privateKey.export({ type: "sec1", format: "pem" }))))).toEqual([]);
    expect(complaint(path.join(directory, "not-here"))).toEqual([]);
  });

  it("is neither the public key nor a directory", () => {
    expect(complaint(file("id.pub", pair().public))).toEqual([
      'ssh.privateKeyPath "DIR/id.pub" is a public key; give the private key\'s file, or leave it out and use the SSH agent.',
    ]);
    expect(complaint(file("id", pair().public))).toHaveLength(1);
    expect(complaint("/not/here.pub")).toHaveLength(1);
    expect(complaint(directory)).toEqual([
      'ssh.privateKeyPath "DIR" is a directory; give the private key\'s file, or leave it out and use the SSH agent.',
    ]);
    expect(complaint(file("other", "hello"))).toEqual([
      'ssh.privateKeyPath "DIR/other" is not a private key that Terraform reads; give the private key\'s file, or leave it out and use the SSH agent.',
    ]);
  });

  it("has no passphrase, which Terraform cannot ask for", () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const secret = { cipher: "aes-256-cbc", passphrase: "x" } as const;
    for (const content of [
      pair("secret").private,
      String(privateKey.export({ type: "pkcs8", format: "pem", ...secret })),
      String(privateKey.export({ type: "pkcs1", format: "pem", ...secret })),
    ]) {
      expect(complaint(file("locked", content))).toEqual([
        'ssh.privateKeyPath "DIR/locked" has a passphrase, which Terraform cannot ask for; leave it out and use the SSH agent.',
      ]);
    }
  });
});

describe("an egress IP", () => {
  const egress = (egressIp: string) => complaints({ uplinks: [{ ...UPLINK_1, egressIp }, UPLINK_2] });

  it.each(["0.0.0.0", "0.1.2.3", "240.1.1.1", "255.1.1.1", "224.0.0.5", "127.0.0.1", "169.254.1.1", "100.64.0.1"])(
    "is not %s, which no cloud sees",
    (egressIp) => expect(egress(egressIp)).toHaveLength(1),
  );

  it("is not one either of customer gateways that exist", () => {
    const stack = newStack();
    CustomerGatewayPair.fromCustomerGatewayPairAttributes(stack, "pair", {
      ...EXISTING_CUSTOMER_GATEWAYS,
      activeEgressIp: "240.1.1.1",
    });
    expect(problems(stack)).toEqual([
      "activeEgressIp 240.1.1.1 lies in 240.0.0.0/4, which Alibaba Cloud refuses; give the address that the cloud sees.",
    ]);
  });

  it("is not the gateway's own address", () => {
    const stack = newStack();
    const gateway = DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", EXISTING_GATEWAY);
    const uplinks = [{ ...UPLINK_1, egressIp: EXISTING_GATEWAY.standbyIpsecAddress }, UPLINK_2] as const;
    new DualTunnelVpn(stack, "vpn", { ...SITE, gateway, uplinks });
    expect(problems(stack)).toEqual([
      "egressIp 192.0.2.10 is an IPsec address of the VPN gateway; give the data center's address that the cloud sees.",
    ]);
  });

  it("is not given twice as one variable", () => {
    const stack = newStack();
    const variable = new TerraformVariable(stack, "egress", { type: "string" });
    const both = () => variable.stringValue;
    const uplinks = [
      { ...UPLINK_1, egressIp: both() },
      { ...UPLINK_2, egressIp: both() },
    ] as const;
    new DualTunnelVpn(stack, "vpn", { ...SITE, uplinks });
    const said = problems(stack);
    expect(said).toEqual([
      "egressIp ${var.egress} is given twice, which Alibaba Cloud refuses; with one egress IP give it, and its uplink, once.",
      "uplinks has 2 entries and the connection 1 egress IP; give one egress IP for each uplink.",
    ]);
    const twice = problems(siteStack({ uplinks: [UPLINK_1, { ...UPLINK_2, egressIp: UPLINK_1.egressIp }] }));
    expect(said.map((each) => each.replaceAll("${var.egress}", UPLINK_1.egressIp))).toEqual(twice);
  });
});

describe("a block", () => {
  it.each(["0.1.0.0/16", "127.0.0.0/8", "169.254.1.0/24", "224.1.0.0/16", "240.0.0.0/5"])("is not %s", (block) => {
    for (const side of ["vpcCidrs", "dataCenterCidrs"]) {
      expect(complaints({ [side]: [block] })).toEqual([
        expect.stringMatching(`^${side} ${block} lies in .*, which no network has; use other addresses\\.$`),
      ]);
    }
  });

  it("of the VPC may be one of Alibaba Cloud's services; the whole range is warned about", () => {
    const oss = ["192.168.0.0/16", "100.118.28.0/24"];
    expect(problems(siteStack({ vpcCidrs: oss }))).toEqual([]);
    expect(warnings(siteStack({ vpcCidrs: oss }))).toEqual([]);
    const whole = siteStack({ vpcCidrs: ["100.64.0.0/10"] });
    expect(problems(whole)).toEqual([]);
    expect(warnings(whole)).toEqual([
      "vpcCidrs 100.64.0.0/10 is all of the shared address space, which carriers and others use as well; name the blocks of the services that you reach.",
    ]);
  });

  it("of Alibaba Cloud's services is warned about where an uplink is behind a carrier's NAT", () => {
    const uplinks = [{ ...UPLINK_1, address: "100.72.1.2/24", gateway: "100.72.1.1" }, UPLINK_2] as const;
    const stack = siteStack({ uplinks, vpcCidrs: ["100.118.28.0/24"] });
    expect(problems(stack)).toEqual([]);
    expect(warnings(stack)).toEqual([
      "vpcCidrs 100.118.28.0/24 is in the shared address space and so is uplinks[0]: what the carrier has at these addresses is reached through the tunnels no more.",
    ]);
  });

  it("of the data center is not one of Alibaba Cloud's services", () => {
    expect(complaints({ dataCenterCidrs: ["100.118.28.0/24"] })).toEqual([
      "dataCenterCidrs 100.118.28.0/24 overlaps 100.64.0.0/10, which Alibaba Cloud keeps for itself; use other addresses.",
    ]);
  });
});

describe("an uplink with a host's address alone", () => {
  const uplinks = [{ address: "198.51.100.198/32", gateway: "203.0.113.1", egressIp: "198.51.100.198" }] as const;

  it("has its gateway outside, as PPPoE and some hosters have it", () => {
    expect(complaints({ uplinks })).toEqual([]);
    const site = JSON.parse(synthesizedSite({ uplinks }).locals!.singapore_site_json) as { uplinks: object[] };
    expect(site.uplinks).toMatchObject([{ address: "198.51.100.198", prefixLength: 32, gateway: "203.0.113.1" }]);
  });

  it("has a gateway that is not itself", () => {
    expect(complaints({ uplinks: [{ ...uplinks[0], gateway: "198.51.100.198" }] })).toEqual([
      "uplinks[0].gateway 198.51.100.198 cannot be a router in 198.51.100.198/32; give the next router's address.",
    ]);
    expect(complaints({ uplinks: [{ ...uplinks[0], gateway: "0.0.0.0" }] })).toHaveLength(1);
  });
});

describe("an id", () => {
  const existing = (changes: object) => {
    const stack = newStack();
    DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", { ...EXISTING_GATEWAY, ...changes });
    CustomerGatewayPair.fromCustomerGatewayPairAttributes(stack, "pair", { ...EXISTING_CUSTOMER_GATEWAYS, ...changes });
    return problems(stack);
  };

  it("is of its kind", () => {
    expect(existing({})).toEqual([]);
    expect(existing({ vpnGatewayId: "vpc-oops", activeCustomerGatewayId: "vpn-oops" })).toEqual([
      'vpnGatewayId "vpc-oops" is not the id of a VPN gateway; write it as vpn-….',
      'activeCustomerGatewayId "vpn-oops" is not the id of a customer gateway; write it as cgw-….',
    ]);
    const { vswitches } = NEW_GATEWAY;
    const gateway = { vpc: { id: "vsw-1", cidrBlock: "192.168.0.0/16" }, vswitches: [{ id: "vpc-1" }, vswitches[1]] };
    expect(untyped({ gateway: { ...gateway, resourceGroupId: "vpc-1" } })).toEqual([
      'vpc.id "vsw-1" is not the id of a VPC; write it as vpc-….',
      'vswitches[0].id "vpc-1" is not the id of a vSwitch; write it as vsw-….',
      'resourceGroupId "vpc-1" is not the id of a resource group; write it as rg-….',
    ]);
  });

  it("of a connection that exists is of its kind", () => {
    const stack = newStack();
    const tunnel = (number: number) => ({ ipsecAddress: `192.0.2.${number}`, egressIp: `198.51.100.${number}` });
    IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "connection", {
      name: "office",
      vpnConnectionId: "vpn-1",
      vpcCidrs: ["192.168.0.0/16"],
      dataCenterCidrs: ["172.16.0.0/16"],
      activeTunnel: tunnel(1),
      standbyTunnel: tunnel(2),
    });
    expect(problems(stack)).toEqual([
      'vpnConnectionId "vpn-1" is not the id of an IPsec connection; write it as vco-….',
    ]);
  });
});

describe("a choice", () => {
  it("of routing that is not offered is refused", () => {
    expect(untyped({ routing: "ospf" })).toEqual([
      "routing ospf is not offered; give RoutingMode.DESTINATION, RoutingMode.POLICY or Routing.bgp({ tunnelCidrs: [...] }).",
    ]);
  });

  it("of dead peer detection or NAT traversal is true or false, in this text", () => {
    const stack = newStack();
    const dpd = new TerraformVariable(stack, "dpd", { type: "bool" }).booleanValue;
    new DualTunnelVpn(stack, "vpn", {
      ...SITE,
      ...({ tunnels: { dpd, natTraversal: "false" } } as object),
    });
    expect(problems(stack)).toEqual([
      "tunnels.dpd is known only to Terraform; give true or false, or leave it out.",
      "tunnels.natTraversal is text; give true or false, or leave it out.",
    ]);
  });

  it("of a site's name suits the gateway that it makes", () => {
    expect(complaints({ name: "a" })).toEqual([
      'name "a" must be 2 to 100 letters, digits and . _ - that start with a letter.',
    ]);
  });
});

describe("sites on one gateway", () => {
  const site = (index: number, changes: Partial<DualTunnelVpnProps> = {}): DualTunnelVpnProps => ({
    ...SITE,
    name: `site-${index}`,
    dataCenterCidrs: [`10.${index}.0.0/16`],
    uplinks: [{ ...UPLINK_1, egressIp: `198.51.100.${index + 1}` }],
    ssh: { ...SITE.ssh, host: `box-${index}` },
    ...changes,
  });
  const sites = (changes: readonly Partial<DualTunnelVpnProps>[], own = false) => {
    const stack = newStack();
    const gateway = new DualTunnelVpnGateway(stack, "gateway", { ...NEW_GATEWAY, name: "shared" });
    changes.forEach(
      (each, index) => new DualTunnelVpn(stack, `site-${index}`, site(index, { ...(own ? {} : { gateway }), ...each })),
    );
    return stack;
  };

  it.each([
    ["10.0.0.0/16", "10.0.0.0/16"],
    ["10.0.0.0/16", "10.0.7.0/24"],
    ["10.0.7.0/24", "10.0.0.0/16"],
  ])("with %s and %s in their data centers are refused: one of them would get the other's traffic", (one, other) => {
    const both = [{ dataCenterCidrs: [one] }, { dataCenterCidrs: [other] }];
    expect(problems(sites(both))).toEqual([
      `dataCenterCidrs ${other} overlaps ${one} of test/site-0/connection on the same VPN gateway, which would not know where to send; give each site of a gateway blocks of its own.`,
    ]);
    expect(problems(sites(both, true))).toEqual([]);
  });

  it("may have one block where the policy tells them apart by the VPC's blocks", () => {
    const policy = (vpc: string) => ({
      routing: RoutingMode.POLICY,
      vpcCidrs: [vpc],
      dataCenterCidrs: ["10.0.0.0/16"],
    });
    expect(problems(sites([policy("192.168.0.0/17"), policy("192.168.128.0/17")]))).toEqual([]);
    expect(problems(sites([policy("192.168.0.0/17"), policy("192.168.64.0/18")]))).toHaveLength(1);
    expect(problems(sites([policy("192.168.0.0/17"), { dataCenterCidrs: ["10.0.0.0/16"] }]))).toHaveLength(1);
  });

  it("are known by the gateway's id where it exists already", () => {
    const stack = newStack();
    const gateways = [0, 1].map((index) =>
      DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, `gateway-${index}`, EXISTING_GATEWAY),
    );
    gateways.forEach(
      (gateway, index) =>
        new DualTunnelVpn(stack, `site-${index}`, site(index, { gateway, dataCenterCidrs: ["10.0.0.0/16"] })),
    );
    expect(problems(stack)).toHaveLength(1);
  });

  it("are warned about when they are more than the quotas allow by default", () => {
    const many = (count: number) => warnings(sites(Array.from({ length: count }, () => ({}))));
    expect(many(10)).toEqual([]);
    expect(many(12)).toEqual([
      "gateway has 12 IPsec connections here, and Alibaba Cloud allows 10 on a VPN gateway by default; have its quota of IPsec-VPN connections raised first.",
    ]);
  });

  it("are warned about when their routes are more than the quotas allow by default", () => {
    const blocks = (count: number, octet = 30) =>
      Array.from({ length: count }, (_, index) => `10.${octet}.${index}.0/24`);
    expect(warnings(sites([{ dataCenterCidrs: blocks(20) }]))).toEqual([]);
    const destination =
      "gateway has 21 destination-based routes here, and Alibaba Cloud allows 20 on a VPN gateway by default; have its quota of destination-based routes raised first.";
    expect(warnings(sites([{ dataCenterCidrs: blocks(21) }]))).toEqual([destination]);
    expect(warnings(sites([{ dataCenterCidrs: blocks(11) }, { dataCenterCidrs: blocks(10, 31) }]))).toEqual([
      destination,
    ]);
    const vpcCidrs = Array.from({ length: 5 }, (_, index) => `192.168.${index}.0/24`);
    expect(warnings(sites([{ routing: RoutingMode.POLICY, vpcCidrs, dataCenterCidrs: blocks(5) }]))).toEqual([
      "gateway has 25 policy-based routes here, and Alibaba Cloud allows 20 on a VPN gateway by default; have its quota of policy-based routes raised first.",
    ]);
  });
});

describe("two connections on one box", () => {
  const second: DualTunnelVpnProps = {
    ...SITE,
    name: "second",
    dataCenterCidrs: ["10.1.0.0/16"],
    uplinks: [
      { ...UPLINK_1, egressIp: "198.51.100.7" },
      { ...UPLINK_2, egressIp: "203.0.113.7" },
    ],
  };
  const two = (changes: (first: DualTunnelVpn) => Partial<DualTunnelVpnProps>) => {
    const stack = newStack();
    const first = new DualTunnelVpn(stack, "first", SITE);
    new DualTunnelVpn(stack, "second", { ...second, ...changes(first) });
    return problems(stack);
  };
  const other = { ...NEW_GATEWAY, vpc: { id: "vpc-2", cidrBlock: "10.64.0.0/16" } };

  it("are refused under one gateway, to whose addresses the box can have one way only", () => {
    expect(two(({ gateway }) => ({ gateway, vpcCidrs: ["192.168.0.0/17"] }))).toEqual([
      "ssh.host box.example.com is the box of test/first/box too, whose connection is on the same VPN gateway; give this connection another box.",
    ]);
  });

  it("are refused with VPC blocks that overlap", () => {
    expect(two(() => ({}))).toEqual([
      "ssh.host box.example.com is the box of test/first/box too, whose vpcCidrs 192.168.0.0/16 overlap 192.168.0.0/16 of this connection; give this connection another box.",
    ]);
    expect(two(() => ({ ssh: { ...SITE.ssh, host: "BOX.example.com." } }))).toHaveLength(1);
  });

  it("are refused with names that give the same firewall mark", () => {
    expect(two(() => ({ gateway: other, name: "beta" }))).toEqual([
      'ssh.host box.example.com is the box of test/first/box too, and the names "beta" and "singapore" give the same firewall mark there; give one of them another name.',
    ]);
    expect(two(() => ({ gateway: other, name: "jakarta" }))).toEqual([]);
  });

  it("are taken with two gateways in two VPCs, and on two ports, which are two boxes behind one address", () => {
    expect(two(() => ({ gateway: other }))).toEqual([]);
    expect(two(() => ({ ssh: { ...SITE.ssh, port: 2222 } }))).toEqual([]);
  });

  it("are refused in two stacks when they have one name", () => {
    const app = Testing.stubVersion(
      new App({ outdir: fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-test-")) }),
    );
    const [, later] = ["one", "two"].map((id, index) => {
      const stack = new TerraformStack(app, id);
      new AlicloudProvider(stack, "alicloud", { region: "ap-southeast-1" });
      new DualTunnelVpn(stack, "vpn", index === 0 ? SITE : { ...second, gateway: other, name: SITE.name });
      return stack;
    });
    expect(problems(later).filter((sentence) => !sentence.startsWith("Found resources"))).toEqual([
      'name "singapore" and ssh.host box.example.com are those of one/vpn/box too, and each would undo what the other installs; give one of them another name.',
    ]);
    fs.rmSync(app.outdir, { recursive: true, force: true });
  });
});

describe("a provider", () => {
  const aliasedStack = () => {
    const stack = new TerraformStack(Testing.app(), "test");
    const provider = new AlicloudProvider(stack, "second", { alias: "second", region: "ap-southeast-1" });
    return { stack, provider };
  };
  const ours = (stack: TerraformStack) => problems(stack).filter((sentence) => !sentence.startsWith("Found resources"));

  it("is not forgotten where all have an alias: the account of the environment would be used", () => {
    const { stack } = aliasedStack();
    new DualTunnelVpn(stack, "vpn", SITE);
    expect(ours(stack)).toEqual([
      "provider is missing and the stack's alicloud providers all have an alias (second), so the environment's account would be used; give one of them.",
    ]);
  });

  it("with an alias suffices when it is given", () => {
    const { stack, provider } = aliasedStack();
    new DualTunnelVpn(stack, "vpn", { ...SITE, provider });
    expect(ours(stack)).toEqual([]);
  });

  it("is of the same stack", () => {
    const { stack, provider } = aliasedStack();
    const elsewhere = new TerraformStack(stack.node.root, "elsewhere");
    new AlicloudProvider(elsewhere, "alicloud", { region: "ap-southeast-1" });
    new DualTunnelVpn(elsewhere, "vpn", { ...SITE, provider });
    expect(new Set(ours(elsewhere))).toEqual(
      new Set([
        "provider is one of the stack test, and providers do not reach into other stacks; give one of this stack.",
      ]),
    );
  });
});

describe("a tunnel's MTU", () => {
  it("fits with what NAT traversal adds into 1500 bytes", () => {
    expect(complaints({ tunnels: { mtu: 1422 } })).toEqual([]);
    expect(complaints({ activeTunnel: { mtu: 1438 } })).toEqual([
      "active tunnel: mtu is 1438; give a whole number of bytes from 576 to 1422, which its algorithms leave of 1500.",
    ]);
  });
});
