// What the emulated cloud refuses, rule by rule, and that what is right beside it passes.
import * as fc from "fast-check";
import { vpnZones } from "../../lab/cloud/zones";
import { REGION, Site, type Changes } from "./fixture";
import { call } from "./rpc-client";

type Refusal = [name: string, changes: Changes, code: string, message: RegExp];

const CIDR = /it is an IPv4 CIDR block such as/;
const HOST_BITS = /it has bits beyond its prefix; the block is 172\.16\.0\.0\/16/;

describe("a connection", () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.startWithGateway();
  });
  afterAll(() => site.close());
  afterEach(() => expect(site.cloud.state().connections).toEqual([]));

  const refusals: Refusal[] = [
    [
      "one tunnel",
      { "2.Role": undefined, "2.CustomerGatewayId": undefined, "2.TunnelIkeConfig.Psk": undefined },
      "IllegalParam.TunnelOptionsSpecification",
      /exactly two tunnels/,
    ],
    ["three tunnels", { "3.Role": "slave" }, "IllegalParam.TunnelOptionsSpecification", /exactly two tunnels/],
    [
      "a single tunnel's customer gateway",
      { CustomerGatewayId: "cgw-1" },
      "IllegalParam.TunnelOptionsSpecification",
      /exactly two tunnels/,
    ],
    [
      "two active tunnels",
      { "2.Role": "master" },
      "IllegalParam.TunnelOptionsSpecification",
      /one tunnel with the Role master and one/,
    ],
    [
      "two standby tunnels",
      { "1.Role": "slave" },
      "IllegalParam.TunnelOptionsSpecification",
      /one tunnel with the Role master and one/,
    ],
    [
      "an unknown role",
      { "1.Role": "active" },
      "IllegalParam.Role",
      /TunnelOptionsSpecification\.1\.Role.*master, slave/,
    ],
    ["a tunnel without customer gateway", { "2.CustomerGatewayId": "" }, "MissingCustomerGatewayId", /mandatory/],
    [
      "a customer gateway that does not exist",
      { "2.CustomerGatewayId": "cgw-none" },
      "InvalidCustomerGatewayInstanceId.NotFound",
      /does not exist/,
    ],
    [
      "a gateway that does not exist",
      { VpnGatewayId: "vpn-none" },
      "InvalidVpnGatewayInstanceId.NotFound",
      /does not exist/,
    ],
    ["no local block", { LocalSubnet: undefined }, "MissingLocalSubnet", /mandatory/],
    ["no remote block", { RemoteSubnet: "" }, "MissingRemoteSubnet", /mandatory/],
    ["a block without prefix", { LocalSubnet: "172.16.0.0" }, "IllegalParam.LocalSubnet", CIDR],
    ["a block with host bits", { RemoteSubnet: "10.0.0.0/8,172.16.1.0/16" }, "IllegalParam.RemoteSubnet", HOST_BITS],
    ["an IPv6 block", { RemoteSubnet: "2001:db8::/32" }, "IllegalParam.RemoteSubnet", CIDR],
    ["a prefix of 33", { RemoteSubnet: "10.0.0.0/33" }, "IllegalParam.RemoteSubnet", CIDR],
    ["a block given twice", { RemoteSubnet: "10.0.0.0/8,10.0.0.0/8" }, "IllegalParam.RemoteSubnet", /there once/],
    ["eleven blocks", { LocalSubnet: blocks(11) }, "IllegalParam.LocalSubnet", /at most 10 CIDR blocks/],
    [
      "an unknown IKE encryption",
      { "1.TunnelIkeConfig.IkeEncAlg": "aes128" },
      "IllegalParam.IkeEncAlg",
      /aes, aes192, aes256, des, 3des/,
    ],
    [
      "an unknown IKE authentication",
      { "1.TunnelIkeConfig.IkeAuthAlg": "sha2" },
      "IllegalParam.IkeAuthAlg",
      /md5, sha1, sha256, sha384, sha512/,
    ],
    [
      "an unknown DH group",
      { "2.TunnelIkeConfig.IkePfs": "group16" },
      "IllegalParam.IkePfs",
      /group1, group2, group5, group14/,
    ],
    ["phase 1 without DH group", { "2.TunnelIkeConfig.IkePfs": "disabled" }, "IllegalParam.IkePfs", /group1/],
    ["an unknown IKE version", { "1.TunnelIkeConfig.IkeVersion": "2" }, "IllegalParam.IkeVersion", /ikev1, ikev2/],
    ["an unknown IKE mode", { "1.TunnelIkeConfig.IkeMode": "quick" }, "IllegalParam.IkeMode", /main, aggressive/],
    [
      "an unknown ESP encryption",
      { "1.TunnelIpsecConfig.IpsecEncAlg": "null" },
      "IllegalParam.IpsecEncAlg",
      /aes, aes192/,
    ],
    [
      "an unknown ESP authentication",
      { "1.TunnelIpsecConfig.IpsecAuthAlg": "none" },
      "IllegalParam.IpsecAuthAlg",
      /md5, sha1/,
    ],
    ["an unknown PFS", { "1.TunnelIpsecConfig.IpsecPfs": "off" }, "IllegalParam.IpsecPfs", /disabled, group1/],
    [
      "an IKE lifetime above a day",
      { "1.TunnelIkeConfig.IkeLifetime": "86401" },
      "IllegalParam.IkeLifetime",
      /from 0 to 86400/,
    ],
    [
      "a negative lifetime",
      { "1.TunnelIpsecConfig.IpsecLifetime": "-1" },
      "IllegalParam.IpsecLifetime",
      /from 0 to 86400/,
    ],
    [
      "a lifetime with a fraction",
      { "1.TunnelIpsecConfig.IpsecLifetime": "1.5" },
      "IllegalParam.IpsecLifetime",
      /whole number/,
    ],
    ["a pre-shared key with a space", { "1.TunnelIkeConfig.Psk": "a b" }, "IllegalParam.Psk", /1 to 100 characters/],
    [
      "a pre-shared key of 101 characters",
      { "2.TunnelIkeConfig.Psk": "k".repeat(101) },
      "IllegalParam.Psk",
      /1 to 100 characters/,
    ],
    ["an identity with a space", { "1.TunnelIkeConfig.LocalId": "a b" }, "IllegalParam.LocalId", /no space/],
    [
      "an identity of 101 characters",
      { "1.TunnelIkeConfig.RemoteId": "i".repeat(101) },
      "IllegalParam.RemoteId",
      /1 to 100 characters/,
    ],
    ["a flag that is neither true nor false", { "1.EnableDpd": "yes" }, "IllegalParam.EnableDpd", /true or false/],
    ["a name that is a web address", { Name: "https://example.com" }, "InvalidName", /http/],
    ["a name of 101 characters", { Name: "n".repeat(101) }, "InvalidName", /1 to 100 characters/],
    ["BGP without its values", { EnableTunnelsBgp: "true" }, "MissingTunnelBgpConfig", /mandatory/],
    [
      "BGP to a customer gateway without AS number",
      { EnableTunnelsBgp: "true", ...bgp("1", "169.254.10.0/30"), ...bgp("2", "169.254.11.0/30") },
      "IllegalParam.CustomerGatewayId",
      /Asn/,
    ],
    ["a BGP block that is not a /30", bgp("1", "169.254.10.0/29"), "IllegalParam.TunnelCidr", /\/30/],
    ["a BGP block outside 169.254.0.0/16", bgp("1", "10.0.0.0/30"), "IllegalParam.TunnelCidr", /169\.254\.0\.0\/16/],
    ["a BGP block that Alibaba keeps", bgp("1", "169.254.6.0/30"), "IllegalParam.TunnelCidr", /free \/30/],
    [
      "one BGP block for both tunnels",
      { ...bgp("1", "169.254.10.0/30"), ...bgp("2", "169.254.10.0/30") },
      "IllegalParam.TunnelCidr",
      /another tunnel/,
    ],
    [
      "a BGP address outside its block",
      { ...bgp("1", "169.254.10.0/30"), "1.TunnelBgpConfig.LocalBgpIp": "169.254.10.5" },
      "IllegalParam.LocalBgpIp",
      /it is 169\.254\.10\.1 or 169\.254\.10\.2/,
    ],
    ["a tag key of Alibaba's own", { "Tags.1.Key": "acs:x", "Tags.1.Value": "" }, "InvalidTagKey", /acs:/],
    [
      "21 tags",
      Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`Tags.${i + 1}.Key`, `k${i}`])),
      "QuotaExceeded.Tag",
      /20 tags/,
    ],
    [
      "protected data flows that need too many routes",
      { AutoConfigRoute: "true", LocalSubnet: blocks(7), RemoteSubnet: "10.1.0.0/16,10.2.0.0/16,10.3.0.0/16" },
      "QuotaExceeded.PolicyBasedRoute",
      /Existing routes: 0\. Routes to be created: 21\. Maximum routes: 20/,
    ],
  ];

  it.each(refusals)("is refused with %s", async (_name, changes, code, message) => {
    const refusal = await site.refusal("CreateVpnConnection", site.connectionParameters(changes));
    expect(refusal).toEqual({ status: 400, code, message: expect.stringMatching(message) as string });
    expect(refusal.message).not.toMatch(/NotFound/);
  });

  it("takes 1 to 100 characters of the documented set as pre-shared key, and no other, without repeating it", async () => {
    const allowed = /^[0-9A-Za-z~`!@#$%^&*()_\-+={}[\]|\\;:'",.<>/?]{1,100}$/;
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme", minLength: 1, maxLength: 120 }), async (psk) => {
        const parameters = site.connectionParameters({ "1.TunnelIkeConfig.Psk": psk, VpnGatewayId: site.gatewayId });
        const answer = await call(site.cloud.endpoint, "CreateVpnConnection", { RegionId: REGION, ...parameters });
        expect(answer.status).toBe(allowed.test(psk) ? 200 : 400);
        if (answer.status === 400 && psk.length > 8) expect(String(answer.body["Message"])).not.toContain(psk);
        await site.cloud.settled();
        if (answer.status === 200) {
          const VpnConnectionId = String(answer.body["VpnConnectionId"]);
          expect((await site.tunnels(VpnConnectionId))[0]?.TunnelIkeConfig["Psk"]).toBe(psk);
          await site.ok("DeleteVpnConnection", { VpnConnectionId });
          await site.cloud.settled();
        }
      }),
      {
        numRuns: 60,
        examples: [["~`!@#$%^&*()_-+={}[]|\\;:'\",.<>/?0aZ"], ["a"], ["k".repeat(100)], ["k".repeat(101)]],
      },
    );
  });
});

describe("a second connection", () => {
  let site: Site;
  let connectionId: string;
  beforeAll(async () => {
    site = await Site.startWithGateway();
    connectionId = await site.createConnection(bgp("1", "169.254.10.0/30"));
  });
  afterAll(() => site.close());

  it("is refused for the same customer gateways and the same blocks", async () => {
    const parameters = site.connectionParameters();
    expect(await site.refusal("CreateVpnConnection", parameters)).toMatchObject({
      code: "InvalidVpnConnection.AlreadyExists",
    });
  });

  it("is refused with a BGP block that the first one has", async () => {
    const parameters = site.connectionParameters({ ...bgp("2", "169.254.10.0/30"), RemoteSubnet: "10.0.0.0/8" });
    expect(await site.refusal("CreateVpnConnection", parameters)).toMatchObject({ code: "IllegalParam.TunnelCidr" });
  });

  it("is refused where a gateway has ten", async () => {
    const others = [];
    for (let number = 1; number < 10; number += 1) {
      others.push(await site.createConnection({ RemoteSubnet: `10.${number}.0.0/16` }));
    }
    const parameters = site.connectionParameters({ RemoteSubnet: "10.10.0.0/16" });
    expect(await site.refusal("CreateVpnConnection", parameters)).toMatchObject({
      code: "Resource.QuotaFull",
      message: expect.stringMatching(/at most 10 IPsec connections/) as string,
    });
    for (const VpnConnectionId of others) {
      await site.ok("DeleteVpnConnection", { VpnConnectionId });
      await site.cloud.settled();
    }
    expect(site.cloud.state().connections.map((connection) => connection.id)).toEqual([connectionId]);
  });
});

describe("a change of a connection", () => {
  let site: Site;
  let connectionId: string;
  beforeAll(async () => {
    site = await Site.startWithGateway();
    connectionId = await site.createConnection();
  });
  afterAll(() => site.close());

  const prefix = "TunnelOptionsSpecification";
  it.each<[string, Record<string, string>, string]>([
    ["a connection that does not exist", { VpnConnectionId: "vco-none" }, "InvalidVpnConnectionInstanceId.NotFound"],
    [
      "the tunnel id of another connection",
      { [`${prefix}.1.TunnelId`]: "tun-none" },
      "IllegalParam.TunnelOptionsSpecification",
    ],
    [
      "one tunnel twice",
      { [`${prefix}.1.Role`]: "master", [`${prefix}.2.Role`]: "master" },
      "IllegalParam.TunnelOptionsSpecification",
    ],
    [
      "three tunnels",
      { [`${prefix}.1.Role`]: "master", [`${prefix}.2.Role`]: "slave", [`${prefix}.3.EnableDpd`]: "true" },
      "IllegalParam.TunnelOptionsSpecification",
    ],
    ["a pre-shared key with a space", { [`${prefix}.1.TunnelIkeConfig.Psk`]: "a b" }, "IllegalParam.Psk"],
    ["eleven blocks", { LocalSubnet: blocks(11) }, "IllegalParam.LocalSubnet"],
    ["BGP without its values", { EnableTunnelsBgp: "true" }, "MissingTunnelBgpConfig"],
  ])("is refused with %s, and changes nothing", async (_name, parameters, code) => {
    const before = JSON.stringify(site.cloud.state());
    const refusal = await site.refusal("ModifyVpnConnectionAttribute", {
      VpnConnectionId: connectionId,
      ...parameters,
    });
    expect(refusal).toMatchObject({ status: 400, code });
    expect(JSON.stringify(site.cloud.state())).toBe(before);
  });

  it("is refused when it makes both tunnels the active one", async () => {
    const [, standby] = await site.tunnels(connectionId);
    const parameters = { [`${prefix}.1.TunnelId`]: standby?.TunnelId ?? "", [`${prefix}.1.Role`]: "master" };
    expect(
      await site.refusal("ModifyVpnConnectionAttribute", { VpnConnectionId: connectionId, ...parameters }),
    ).toMatchObject({ code: "IllegalParam.TunnelOptionsSpecification" });
  });
});

describe("a VPN gateway", () => {
  let site: Site;
  let elsewhere: string;
  let sameZone: string;
  let otherZone: string;
  beforeAll(async () => {
    site = await Site.start();
    await site.createVpc();
    sameZone = await site.createVSwitch("192.168.3.0/24", `${REGION}a`);
    otherZone = await site.createVSwitch("192.168.4.0/24", `${REGION}z`);
    const VpcId = String((await site.ok("CreateVpc", { CidrBlock: "10.0.0.0/8" }))["VpcId"]);
    const parameters = { VpcId, ZoneId: `${REGION}b`, CidrBlock: "10.0.0.0/24" };
    elsewhere = String((await site.ok("CreateVSwitch", parameters))["VSwitchId"]);
  });
  afterAll(() => site.close());

  it.each<[string, () => Changes, string, RegExp]>([
    ["no vSwitch", () => ({ VSwitchId: undefined }), "InvalidVSwitchId.NotFound", /vswitchId is not found/],
    ["no second vSwitch", () => ({ DisasterRecoveryVSwitchId: undefined }), "InvalidVSwitchId.NotFound", /not found/],
    [
      "a vSwitch of another VPC",
      () => ({ DisasterRecoveryVSwitchId: elsewhere }),
      "InvalidVSwitchId.NotFound",
      /not found/,
    ],
    [
      "two vSwitches in one zone",
      () => ({ DisasterRecoveryVSwitchId: sameZone }),
      "IllegalParam.DisasterRecoveryVSwitchId",
      /different ones/,
    ],
    [
      "one vSwitch twice",
      () => ({ DisasterRecoveryVSwitchId: site.vSwitchIds[0] }),
      "IllegalParam.DisasterRecoveryVSwitchId",
      /different ones/,
    ],
    [
      "a zone without VPN gateways",
      () => ({ DisasterRecoveryVSwitchId: otherZone }),
      "OperationUnsupported.Zone",
      /ap-southeast-1a, ap-southeast-1b, ap-southeast-1c have/,
    ],
    ["a VPC that does not exist", () => ({ VpcId: "vpc-none" }), "InvalidVpcId.NotFound", /does not exist/],
    ["no bandwidth", () => ({ Bandwidth: undefined }), "MissingBandwidth", /mandatory/],
    ["a bandwidth that is not sold", () => ({ Bandwidth: "30" }), "IllegalParam.Bandwidth", /5, 10, 20/],
    ["an unknown network type", () => ({ NetworkType: "internet" }), "IllegalParam.NetworkType", /public, private/],
    [
      "the type NationalStandard",
      () => ({ VpnType: "NationalStandard" }),
      "OperationUnsupported.VpnType",
      /NationalStandard/,
    ],
    ["payment in advance without a period", () => ({ InstanceChargeType: "PREPAY" }), "MissingPeriod", /mandatory/],
    [
      "a period of ten months",
      () => ({ InstanceChargeType: "PREPAY", Period: "10" }),
      "IllegalParam.Period",
      /12, 24, 36/,
    ],
    ["neither IPsec nor SSL", () => ({ EnableIpsec: "false" }), "IllegalParam.EnableIpsec", /or both/],
    ["a name that begins with a digit", () => ({ Name: "1st" }), "InvalidName", /starts with a letter/],
  ])("is refused with %s", async (_name, changes, code, message) => {
    const refusal = await site.refusal("CreateVpnGateway", site.gatewayParameters(changes()));
    expect(refusal).toEqual({ status: 400, code, message: expect.stringMatching(message) as string });
  });

  it("is refused when no IPsec addresses are left, and gives back its own when it goes", async () => {
    const small = await Site.start({ ipsecAddresses: ["192.0.2.152", "192.0.2.10", "192.0.2.153"] });
    await small.createVpc();
    await small.createGateway();
    expect(await small.refusal("CreateVpnGateway", small.gatewayParameters())).toMatchObject({
      code: "Resource.QuotaFull",
    });
    await small.ok("DeleteVpnGateway", { VpnGatewayId: small.gatewayId });
    await small.cloud.settled();
    await small.createGateway();
    expect(small.cloud.state().gateways[0]?.ipsecAddresses).toEqual(["192.0.2.152", "192.0.2.10"]);
    await small.close();
  });

  it("takes two vSwitches in one zone, or one twice, where the region has one zone only", async () => {
    const bangkok = { RegionId: "ap-southeast-7" };
    const VpcId = String((await site.ok("CreateVpc", { ...bangkok, CidrBlock: "10.0.0.0/8" }))["VpcId"]);
    const created = [];
    for (const CidrBlock of ["10.0.1.0/24", "10.0.2.0/24"]) {
      const answer = await site.ok("CreateVSwitch", { ...bangkok, VpcId, ZoneId: "ap-southeast-7a", CidrBlock });
      created.push(String(answer["VSwitchId"]));
    }
    for (const DisasterRecoveryVSwitchId of created) {
      const vSwitches = { VSwitchId: created[0], DisasterRecoveryVSwitchId };
      await site.ok("CreateVpnGateway", site.gatewayParameters({ ...bangkok, VpcId, ...vSwitches }));
    }
  });

  it("is refused in a region that has no dual-tunnel gateways", async () => {
    const region = { RegionId: "ap-south-9" };
    const VpcId = String((await site.ok("CreateVpc", { ...region, CidrBlock: "10.0.0.0/8" }))["VpcId"]);
    const parameters = { ...region, VpcId, ZoneId: "ap-south-9a", CidrBlock: "10.0.1.0/24" };
    const VSwitchId = String((await site.ok("CreateVSwitch", parameters))["VSwitchId"]);
    const vSwitches = { VSwitchId, DisasterRecoveryVSwitchId: VSwitchId };
    expect(
      await site.refusal("CreateVpnGateway", site.gatewayParameters({ ...region, VpcId, ...vSwitches })),
    ).toMatchObject({ code: "OperationUnsupported.Region" });
  });
});

describe("a customer gateway", () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.startWithGateway();
  });
  afterAll(() => site.close());

  it.each<[string, Record<string, string>, string]>([
    ["no address", {}, "MissingIpAddress"],
    ["a name for an address", { IpAddress: "vpn.example.com" }, "InvalidIpAddress.WrongFormat"],
    ["an IPv6 address", { IpAddress: "2001:db8::1" }, "InvalidIpAddress.WrongFormat"],
    ["an address in 100.64.0.0/10", { IpAddress: "100.127.255.255" }, "InvalidIpAddress.WrongFormat"],
    ["a loopback address", { IpAddress: "127.0.0.1" }, "InvalidIpAddress.WrongFormat"],
    ["a link-local address", { IpAddress: "169.254.1.1" }, "InvalidIpAddress.WrongFormat"],
    ["a multicast address", { IpAddress: "224.0.0.1" }, "InvalidIpAddress.WrongFormat"],
    ["the address of another one", { IpAddress: "198.51.100.198" }, "InvalidIpAddress.AlreadyExist"],
    ["Alibaba's AS number", { IpAddress: "198.51.100.1", Asn: "45104" }, "IllegalParam.Asn"],
    ["an AS number of zero", { IpAddress: "198.51.100.1", Asn: "0" }, "IllegalParam.Asn"],
    ["an AS number beyond 32 bits", { IpAddress: "198.51.100.1", Asn: "4294967296" }, "IllegalParam.Asn"],
    [
      "a description that is a web address",
      { IpAddress: "198.51.100.1", Description: "http://x" },
      "InvalidDescription",
    ],
  ])("is refused with %s", async (_name, parameters, code) => {
    expect(await site.refusal("CreateCustomerGateway", parameters)).toMatchObject({ status: 400, code });
  });

  it("may have the address of one in another region", async () => {
    await site.ok("CreateCustomerGateway", { RegionId: "eu-central-1", IpAddress: "198.51.100.198" });
  });

  it("takes an AS number in two halves", async () => {
    const { CustomerGatewayId } = await site.ok("CreateCustomerGateway", { IpAddress: "198.51.100.2", Asn: "123.456" });
    const answer = await site.ok("DescribeCustomerGateway", { CustomerGatewayId: String(CustomerGatewayId) });
    expect(answer["Asn"]).toBe(8061384);
  });
});

describe("a route", () => {
  let site: Site;
  let connectionId: string;
  beforeAll(async () => {
    site = await Site.startWithGateway();
    connectionId = await site.createConnection();
    await site.ok("CreateVpnRouteEntry", site.routeParameters(connectionId));
    await site.cloud.settled();
  });
  afterAll(() => site.close());

  it.each<[string, string, Changes, string]>([
    ["the destination 0.0.0.0/0", "CreateVpnRouteEntry", { RouteDest: "0.0.0.0/0" }, "IllegalParam.RouteDest"],
    ["a destination with host bits", "CreateVpnRouteEntry", { RouteDest: "172.16.1.0/16" }, "IllegalParam.RouteDest"],
    ["no destination", "CreateVpnRouteEntry", { RouteDest: undefined }, "MissingRouteDest"],
    ["no word on publishing", "CreateVpnRouteEntry", { PublishVpc: undefined }, "MissingPublishVpc"],
    ["a weight of 50", "CreateVpnRouteEntry", { Weight: "50" }, "IllegalParam.Weight"],
    ["no weight", "CreateVpnRouteEntry", { Weight: undefined }, "MissingWeight"],
    [
      "a next hop that does not exist",
      "CreateVpnRouteEntry",
      { NextHop: "vco-none" },
      "InvalidVpnConnectionInstanceId.NotFound",
    ],
    [
      "a gateway that does not exist",
      "CreateVpnRouteEntry",
      { VpnGatewayId: "vpn-none" },
      "InvalidVpnGatewayInstanceId.NotFound",
    ],
    ["what another route has", "CreateVpnRouteEntry", {}, "VpnRouteEntry.AlreadyExists"],
    ["no source", "CreateVpnPbrRouteEntry", {}, "MissingRouteSource"],
    ["a source with host bits", "CreateVpnPbrRouteEntry", { RouteSource: "10.0.0.1/8" }, "IllegalParam.RouteSource"],
    [
      "a deletion of what is not there",
      "DeleteVpnRouteEntry",
      { RouteDest: "10.0.0.0/8" },
      "InvalidRouteEntry.NotFound",
    ],
    [
      "a deletion of the other kind",
      "DeleteVpnPbrRouteEntry",
      { RouteSource: "192.168.0.0/16" },
      "InvalidRouteEntry.NotFound",
    ],
    ["a publication of no kind", "PublishVpnRouteEntry", {}, "MissingRouteType"],
    ["no new weight", "ModifyVpnRouteEntryWeight", {}, "MissingNewWeight"],
  ])("is refused with %s", async (_name, action, changes, code) => {
    const refusal = await site.refusal(action, site.routeParameters(connectionId, changes));
    expect(refusal).toMatchObject({ status: 400, code });
  });

  it("is refused with a connection of another gateway as next hop", async () => {
    const { gatewayId } = site;
    await site.createGateway();
    const refusal = await site.refusal("CreateVpnRouteEntry", site.routeParameters(connectionId));
    expect(refusal.code).toBe("InvalidVpnConnectionInstanceId.NotFound");
    site.gatewayId = gatewayId;
  });

  it("by policy may be for 0.0.0.0/0", async () => {
    const parameters = site.routeParameters(connectionId, { RouteSource: "192.168.0.0/16", RouteDest: "0.0.0.0/0" });
    await site.ok("CreateVpnPbrRouteEntry", parameters);
    await site.cloud.settled();
    await site.ok("DeleteVpnPbrRouteEntry", parameters);
    await site.cloud.settled();
  });

  it("is refused where the gateway has twenty of its kind", async () => {
    for (let number = 1; number < 20; number += 1) {
      await site.ok("CreateVpnRouteEntry", site.routeParameters(connectionId, { RouteDest: `10.${number}.0.0/16` }));
      await site.cloud.settled();
    }
    const parameters = site.routeParameters(connectionId, { RouteDest: "10.20.0.0/16" });
    expect(await site.refusal("CreateVpnRouteEntry", parameters)).toMatchObject({
      code: "QuotaExceeded.VpnRouteEntry",
    });
  });
});

describe("what something else needs is not deleted:", () => {
  let site: Site;
  let connectionId: string;
  beforeAll(async () => {
    site = await Site.startWithGateway();
    connectionId = await site.createConnection();
    await site.ok("CreateVpnRouteEntry", site.routeParameters(connectionId));
    await site.cloud.settled();
  });
  afterAll(() => site.close());

  it.each<[string, string, () => Record<string, string>, string]>([
    [
      "a connection with a route",
      "DeleteVpnConnection",
      () => ({ VpnConnectionId: connectionId }),
      "DependencyViolation.VpnRouteEntry",
    ],
    [
      "a gateway with a connection",
      "DeleteVpnGateway",
      () => ({ VpnGatewayId: site.gatewayId }),
      "VpnDependencyViolation.VpnConnection",
    ],
    [
      "a customer gateway with a connection",
      "DeleteCustomerGateway",
      () => ({ CustomerGatewayId: site.customerGatewayIds[0] ?? "" }),
      "DependencyViolation.VpnConnection",
    ],
    [
      "a vSwitch with a gateway",
      "DeleteVSwitch",
      () => ({ VSwitchId: site.vSwitchIds[1] ?? "" }),
      "DependencyViolation",
    ],
    ["a VPC with a vSwitch", "DeleteVpc", () => ({ VpcId: site.vpcId }), "DependencyViolation.VSwitch"],
  ])("%s", async (_name, action, parameters, code) => {
    expect(await site.refusal(action, parameters())).toMatchObject({ status: 400, code });
  });

  it("a gateway that is paid in advance", async () => {
    const gatewayId = site.gatewayId;
    await site.createGateway({ InstanceChargeType: "PREPAY", Period: "1" });
    expect(await site.refusal("DeleteVpnGateway", { VpnGatewayId: site.gatewayId })).toMatchObject({
      code: "OperationDenied.Prepaid",
    });
    site.gatewayId = gatewayId;
  });
});

describe("a VPC or a vSwitch", () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start();
    await site.createVpc();
  });
  afterAll(() => site.close());

  it.each<[string, string, Record<string, string>, string]>([
    ["a public block", "CreateVpc", { CidrBlock: "8.0.0.0/8" }, "InvalidCidrBlock"],
    ["a block of 8 addresses", "CreateVpc", { CidrBlock: "10.0.0.0/29" }, "InvalidCidrBlock"],
    [
      "a zone of another region",
      "CreateVSwitch",
      { ZoneId: "ap-southeast-7a", CidrBlock: "192.168.9.0/24" },
      "InvalidZoneId.NotFound",
    ],
    [
      "a zone with a hyphen too many",
      "CreateVSwitch",
      { ZoneId: "ap-southeast-1-a", CidrBlock: "192.168.9.0/24" },
      "InvalidZoneId.NotFound",
    ],
    [
      "a block outside its VPC",
      "CreateVSwitch",
      { ZoneId: "ap-southeast-1a", CidrBlock: "10.0.0.0/24" },
      "InvalidCidrBlock",
    ],
    [
      "a block larger than its VPC",
      "CreateVSwitch",
      { ZoneId: "ap-southeast-1a", CidrBlock: "192.0.0.0/8" },
      "InvalidCidrBlock",
    ],
    [
      "a block that overlaps another's",
      "CreateVSwitch",
      { ZoneId: "ap-southeast-1a", CidrBlock: "192.168.0.0/20" },
      "InvalidCidrBlock.Overlapped",
    ],
  ])("is refused with %s", async (_name, action, parameters, code) => {
    expect(await site.refusal(action, { VpcId: site.vpcId, ...parameters })).toMatchObject({ status: 400, code });
  });
});

describe("the zones with VPN gateways", () => {
  it("are those of the region, with Alibaba's two forms of zone ids", async () => {
    const site = await Site.start();
    const zonesOf = async (RegionId: string): Promise<string[]> => {
      const answer = await site.ok("DescribeVpnGatewayAvailableZones", { RegionId, Spec: "5M" });
      return (answer["AvailableZoneIdList"] as { ZoneId: string }[]).map((zone) => zone.ZoneId);
    };
    expect(await zonesOf("ap-southeast-1")).toEqual(["ap-southeast-1a", "ap-southeast-1b", "ap-southeast-1c"]);
    expect(await zonesOf("cn-qingdao")).toEqual(["cn-qingdao-b", "cn-qingdao-c"]);
    expect(await zonesOf("no-such-1")).toEqual([]);
    expect(await zonesOf("cn-shenzhen")).not.toContain("cn-shenzhen-a");
    expect(vpnZones("cn-nanjing")).toEqual([{ id: "cn-nanjing-a", name: "Nanjing Zone A" }]);
    expect(vpnZones("na-south-1")).toEqual([{ id: "na-south-1a", name: "Mexico Zone A" }]);
    expect(vpnZones("ap-southeast-7")).toEqual([{ id: "ap-southeast-7a", name: "Bangkok Zone A" }]);
    await site.close();
  });
});

function bgp(tunnel: string, cidr: string): Record<string, string> {
  const address = cidr.replace(/0\/\d+$/, "1");
  return {
    [`${tunnel}.TunnelBgpConfig.LocalAsn`]: "65010",
    [`${tunnel}.TunnelBgpConfig.TunnelCidr`]: cidr,
    [`${tunnel}.TunnelBgpConfig.LocalBgpIp`]: address,
  };
}

function blocks(count: number): string {
  return Array.from({ length: count }, (_, index) => `192.168.${index}.0/24`).join(",");
}
