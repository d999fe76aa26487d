// What happens behind the answers: states, busy gateways, the cloud end, and the record of the calls.
import { once } from "node:events";
import { connect } from "node:net";
import type { CloudEnd, CloudState } from "../../lab/cloud/cloud-end";
import { PSK, REGION, Site, until } from "./fixture";
import { call } from "./rpc-client";

const MODIFY = "TunnelOptionsSpecification";

describe("a VPN gateway", () => {
  it("goes from provisioning over active and updating to gone", async () => {
    const site = await Site.start();
    await site.createVpc();
    const status = async (): Promise<unknown> =>
      (await site.ok("DescribeVpnGateway", { VpnGatewayId: site.gatewayId }))["Status"];
    site.gate.shut();
    site.gatewayId = String((await site.ok("CreateVpnGateway", site.gatewayParameters()))["VpnGatewayId"]);
    expect(["init", "provisioning"]).toContain(await status());
    site.gate.open();
    await site.cloud.settled();
    expect(await status()).toBe("active");

    site.gate.shut();
    for (const IpAddress of ["198.51.100.198", "203.0.113.181"]) {
      site.customerGatewayIds.push(
        String((await site.ok("CreateCustomerGateway", { IpAddress }))["CustomerGatewayId"]),
      );
    }
    const { VpnConnectionId } = await site.ok("CreateVpnConnection", site.connectionParameters());
    const id = { VpnConnectionId: String(VpnConnectionId) };
    expect(await status()).toBe("updating");
    expect((await site.ok("DescribeVpnConnection", id))["State"]).toBe("updating");
    site.gate.open();
    await site.cloud.settled();
    expect(await status()).toBe("active");
    expect((await site.ok("DescribeVpnConnection", id))["State"]).toBe("active");

    site.gate.shut();
    await site.ok("DeleteVpnConnection", id);
    expect((await site.ok("DescribeVpnConnection", id))["State"]).toBe("deleting");
    site.gate.open();
    await site.cloud.settled();
    expect(await site.refusal("DescribeVpnConnection", id)).toMatchObject({
      status: 400,
      code: "InvalidVpnConnectionInstanceId.NotFound",
    });

    site.gate.shut();
    await site.ok("DeleteVpnGateway", { VpnGatewayId: site.gatewayId });
    expect(await status()).toBe("deleting");
    site.gate.open();
    await site.cloud.settled();
    expect(await site.refusal("DescribeVpnGateway", { VpnGatewayId: site.gatewayId })).toMatchObject({
      status: 400,
      code: "InvalidVpnGatewayInstanceId.NotFound",
    });
    await site.close();
  });

  it("is updating after a change of its own, which others have to wait for", async () => {
    const site = await Site.startWithGateway();
    site.gate.shut();
    await site.ok("ModifyVpnGatewayAttribute", { VpnGatewayId: site.gatewayId, Description: "changed" });
    expect(await site.ok("DescribeVpnGateway", { VpnGatewayId: site.gatewayId })).toMatchObject({
      Status: "updating",
      Description: "changed",
    });
    expect(await site.refusal("CreateVpnConnection", site.connectionParameters())).toMatchObject({
      code: "VpnGateway.Configuring",
    });
    site.gate.open();
    await site.cloud.settled();
    await site.createConnection();
    await site.close();
  });

  it("stays updating for its busy time even if the cloud end is done before", async () => {
    const site = await Site.startWithGateway({ delays: { busy: 60_000 } });
    await site.ok("CreateVpnConnection", site.connectionParameters());
    expect((await site.ok("DescribeVpnGateway", { VpnGatewayId: site.gatewayId }))["Status"]).toBe("updating");
    await site.close();
  });
});

describe("a VPC and a vSwitch", () => {
  it("are pending for a while, and close ends all waiting", async () => {
    const site = await Site.start({ delays: { vpcPending: 60_000 } });
    const VpcId = String((await site.ok("CreateVpc", { CidrBlock: "10.0.0.0/8" }))["VpcId"]);
    expect((await site.ok("DescribeVpcAttribute", { VpcId }))["Status"]).toBe("Pending");
    const parameters = { VpcId, ZoneId: `${REGION}a`, CidrBlock: "10.0.0.0/24" };
    expect(await site.refusal("CreateVSwitch", parameters)).toMatchObject({ code: "IncorrectVpcStatus" });
    await site.close();

    const other = await Site.start({ delays: { vSwitchPending: 60_000 } });
    await other.createVpc();
    const described = await other.ok("DescribeVSwitchAttributes", { VSwitchId: other.vSwitchIds[0] ?? "" });
    expect(described["Status"]).toBe("Pending");
    await other.close();
    expect(other.cloud.errors).toEqual([]);
  });
});

describe("while a VPN gateway is busy", () => {
  let site: Site;
  let connectionId: string;
  beforeAll(async () => {
    site = await Site.startWithGateway();
    connectionId = await site.createConnection();
    await site.ok("CreateVpnRouteEntry", site.routeParameters(connectionId));
    await site.cloud.settled();
    site.gate.shut();
    await site.ok("ModifyVpnConnectionAttribute", { VpnConnectionId: connectionId, Name: "busy" });
  });
  afterAll(() => site.close());

  it.each<[string, () => Record<string, string>]>([
    ["CreateVpnConnection", () => site.connectionParameters({ RemoteSubnet: "10.0.0.0/8" })],
    ["ModifyVpnConnectionAttribute", () => ({ VpnConnectionId: connectionId, Name: "other" })],
    ["DeleteVpnConnection", () => ({ VpnConnectionId: connectionId })],
    ["CreateVpnRouteEntry", () => site.routeParameters(connectionId, { RouteDest: "10.0.0.0/8" })],
    ["CreateVpnPbrRouteEntry", () => site.routeParameters(connectionId, { RouteSource: "192.168.0.0/16" })],
    ["PublishVpnRouteEntry", () => ({ ...site.routeParameters(connectionId), RouteType: "dbr" })],
    ["ModifyVpnRouteEntryWeight", () => ({ ...site.routeParameters(connectionId), NewWeight: "100" })],
    [
      "ModifyVpnPbrRouteEntryWeight",
      () => ({ ...site.routeParameters(connectionId), RouteSource: "192.168.0.0/16", NewWeight: "100" }),
    ],
    ["DeleteVpnRouteEntry", () => site.routeParameters(connectionId)],
    ["DeleteVpnPbrRouteEntry", () => ({ ...site.routeParameters(connectionId), RouteSource: "192.168.0.0/16" })],
    ["DeleteVpnGateway", () => ({ VpnGatewayId: site.gatewayId })],
    // The one that the provider does not try again: whoever changes a gateway beside a connection has to order the two.
    ["ModifyVpnGatewayAttribute", () => ({ VpnGatewayId: site.gatewayId, Description: "busy" })],
  ])("%s is refused as busy", async (action, parameters) => {
    expect(await site.refusal(action, parameters())).toMatchObject({ status: 400, code: "VpnGateway.Configuring" });
  });

  it.each<[string, () => Record<string, string>]>([
    [
      "MoveVpnResourceGroup",
      () => ({ InstanceId: site.gatewayId, ResourceType: "VpnGateWay", NewResourceGroupId: "rg-2" }),
    ],
    [
      "TagResources",
      () => ({ ResourceType: "VpnGateWay", "ResourceId.1": site.gatewayId, "Tag.1.Key": "a", "Tag.1.Value": "b" }),
    ],
    ["UnTagResources", () => ({ ResourceType: "VPNCONNECTION", "ResourceId.1": connectionId, "TagKey.1": "a" })],
    ["CreateVpnGateway", () => site.gatewayParameters()],
    ["CreateCustomerGateway", () => ({ IpAddress: "198.51.100.7" })],
    ["ModifyCustomerGatewayAttribute", () => ({ CustomerGatewayId: site.customerGatewayIds[0] ?? "", Name: "other" })],
  ])("%s is taken, for the provider does not retry it", async (action, parameters) => {
    await site.ok(action, parameters());
  });

  it("a customer gateway whose last connection is going is worth a retry", async () => {
    site.gate.open();
    await site.cloud.settled();
    await site.ok("DeleteVpnRouteEntry", site.routeParameters(connectionId));
    await site.cloud.settled();
    site.gate.shut();
    await site.ok("DeleteVpnConnection", { VpnConnectionId: connectionId });
    const parameters = { CustomerGatewayId: site.customerGatewayIds[0] ?? "" };
    expect(await site.refusal("DeleteCustomerGateway", parameters)).toMatchObject({ code: "VpnGateway.Configuring" });
    site.gate.open();
    await site.cloud.settled();
    await site.ok("DeleteCustomerGateway", parameters);
  });
});

describe("a connection", () => {
  let site: Site;
  let connectionId: string;
  beforeEach(async () => {
    site = await Site.startWithGateway();
    connectionId = await site.createConnection({ "1.TunnelIkeConfig.Psk": undefined });
  });
  afterEach(() => site.close());

  it("gets the API's defaults where the request is silent", async () => {
    const [active, standby] = await site.tunnels(connectionId);
    expect(active).toEqual({
      TunnelId: expect.stringMatching(/^tun-/) as string,
      Role: "master",
      CustomerGatewayId: site.customerGatewayIds[0],
      InternetIp: "192.0.2.152",
      ZoneNo: "ap-southeast-1a",
      State: "active",
      Status: "ike_sa_not_established",
      EnableDpd: true,
      EnableNatTraversal: true,
      TunnelIkeConfig: {
        IkeAuthAlg: "md5",
        IkeEncAlg: "aes",
        IkeLifetime: 86400,
        IkeMode: "main",
        IkePfs: "group2",
        IkeVersion: "ikev1",
        LocalId: "192.0.2.152",
        RemoteId: "198.51.100.198",
        Psk: expect.stringMatching(/^[A-Za-z0-9]{16}$/) as string,
      },
      TunnelIpsecConfig: { IpsecAuthAlg: "md5", IpsecEncAlg: "aes", IpsecLifetime: 86400, IpsecPfs: "group2" },
    });
    expect(standby).toMatchObject({ Role: "slave", InternetIp: "192.0.2.10", ZoneNo: "ap-southeast-1b" });
    const answer = await site.ok("DescribeVpnConnection", { VpnConnectionId: connectionId });
    expect(answer).toMatchObject({ EffectImmediately: false, EnableTunnelsBgp: false, Name: connectionId });
    // A value here would make the provider replace the connection.
    expect(answer).not.toHaveProperty("CustomerGatewayId");
  });

  it("keeps its tunnels in the order of the request, and the active one on IPsec address 1", async () => {
    const id = await site.createConnection({ "1.Role": "slave", "2.Role": "master", RemoteSubnet: "10.0.0.0/8" });
    expect((await site.tunnels(id)).map(({ Role, InternetIp }) => [Role, InternetIp])).toEqual([
      ["slave", "192.0.2.10"],
      ["master", "192.0.2.152"],
    ]);
  });

  it("makes the first tunnel the active one where no role is given", async () => {
    const roles = { "1.Role": "", "2.Role": "" };
    const id = await site.createConnection({ ...roles, RemoteSubnet: "10.0.0.0/8" });
    expect((await site.tunnels(id)).map(({ Role }) => Role)).toEqual(["master", "slave"]);
  });

  it("may have one customer gateway for both tunnels", async () => {
    const [only] = site.customerGatewayIds;
    const id = await site.createConnection({ "2.CustomerGatewayId": only, RemoteSubnet: "10.0.0.0/8" });
    expect((await site.tunnels(id)).map(({ CustomerGatewayId }) => CustomerGatewayId)).toEqual([only, only]);
  });

  it.each(["Role", "TunnelId"])("lets one tunnel's pre-shared key be changed alone, chosen by %s", async (selector) => {
    const before = await site.tunnels(connectionId);
    const standby = before.find(({ Role }) => Role === "slave");
    await site.ok("ModifyVpnConnectionAttribute", {
      VpnConnectionId: connectionId,
      [`${MODIFY}.1.${selector}`]: String(standby?.[selector as "Role" | "TunnelId"]),
      [`${MODIFY}.1.TunnelIkeConfig.Psk`]: "another-key",
    });
    await site.cloud.settled();
    const [active, changed] = await site.tunnels(connectionId);
    expect(active).toEqual(before[0]);
    expect(changed).toEqual({ ...standby, TunnelIkeConfig: { ...standby?.TunnelIkeConfig, Psk: "another-key" } });
  });

  it("takes the provider's whole list without ids", async () => {
    const [active] = await site.tunnels(connectionId);
    await site.ok("ModifyVpnConnectionAttribute", {
      VpnConnectionId: connectionId,
      LocalSubnet: "192.168.0.0/16",
      RemoteSubnet: "172.16.0.0/16",
      AutoConfigRoute: "false",
      [`${MODIFY}.1.Role`]: "master",
      [`${MODIFY}.1.EnableDpd`]: "false",
      [`${MODIFY}.1.EnableNatTraversal`]: "true",
      [`${MODIFY}.2.Role`]: "slave",
      [`${MODIFY}.2.EnableDpd`]: "true",
      [`${MODIFY}.2.EnableNatTraversal`]: "false",
      [`${MODIFY}.2.TunnelIpsecConfig.IpsecPfs`]: "disabled",
    });
    await site.cloud.settled();
    const [first, second] = await site.tunnels(connectionId);
    expect(first).toEqual({ ...active, EnableDpd: false });
    expect(second).toMatchObject({ EnableNatTraversal: false, TunnelIpsecConfig: { IpsecPfs: "disabled" } });
    expect(site.gate.last.connections[0]).toMatchObject({
      localSubnets: ["192.168.0.0/16"],
      remoteSubnets: ["172.16.0.0/16"],
      tunnels: [
        { dpd: false, natTraversal: true },
        { dpd: true, natTraversal: false, esp: { pfs: "disabled" } },
      ],
    });
  });

  it("may have its tunnels exchange their roles", async () => {
    const [active, standby] = await site.tunnels(connectionId);
    await site.ok("ModifyVpnConnectionAttribute", {
      VpnConnectionId: connectionId,
      [`${MODIFY}.1.TunnelId`]: active?.TunnelId ?? "",
      [`${MODIFY}.1.Role`]: "slave",
      [`${MODIFY}.2.TunnelId`]: standby?.TunnelId ?? "",
      [`${MODIFY}.2.Role`]: "master",
    });
    await site.cloud.settled();
    expect(await site.tunnels(connectionId)).toEqual([
      { ...active, Role: "slave" },
      { ...standby, Role: "master" },
    ]);
  });

  it("follows the address of another customer gateway with the identity that is its address by default", async () => {
    const created = await site.ok("CreateCustomerGateway", { IpAddress: "198.51.100.77" });
    await site.ok("ModifyVpnConnectionAttribute", {
      VpnConnectionId: connectionId,
      [`${MODIFY}.1.Role`]: "master",
      [`${MODIFY}.1.CustomerGatewayId`]: String(created["CustomerGatewayId"]),
    });
    await site.cloud.settled();
    expect((await site.tunnels(connectionId))[0]?.TunnelIkeConfig["RemoteId"]).toBe("198.51.100.77");
    expect(site.gate.last.connections[0]?.tunnels[0]).toMatchObject({ peerAddress: "198.51.100.77" });
  });

  it("gives the other side its configuration with the two ends exchanged", async () => {
    const answer = await site.ok("DownloadVpnConnectionConfig", { VpnConnectionId: connectionId });
    expect(answer["VpnConnectionConfig"]).toMatchObject({
      TunnelsConfig: {
        TunnelConfig: [
          {
            Local: "198.51.100.198",
            Remote: "192.0.2.152",
            IkeConfig: { LocalId: "198.51.100.198", RemoteId: "192.0.2.152" },
          },
          { Local: "203.0.113.181", Remote: "192.0.2.10", IkeConfig: { Psk: PSK.slave } },
        ],
      },
    });
  });

  it("keeps a lifetime of 0 as given, which is the default for the cloud end", async () => {
    const id = await site.createConnection({ "1.TunnelIkeConfig.IkeLifetime": "0", RemoteSubnet: "10.0.0.0/8" });
    expect((await site.tunnels(id))[0]?.TunnelIkeConfig["IkeLifetime"]).toBe(0);
    expect(site.gate.last.connections[1]?.tunnels[0].ike.lifetime).toBe(86400);
  });

  it("gives the four scalars of each tunnel as strings when told to", async () => {
    site.cloud.quoteTunnelScalars = true;
    const [active] = await site.tunnels(connectionId);
    expect(active).toMatchObject({
      EnableDpd: "true",
      EnableNatTraversal: "true",
      TunnelIkeConfig: { IkeLifetime: "86400" },
      TunnelIpsecConfig: { IpsecLifetime: "86400" },
    });
  });

  it("in destination routing mode gets no route by itself", async () => {
    const [second, first] = site.customerGatewayIds;
    const exchanged = { "1.CustomerGatewayId": first, "2.CustomerGatewayId": second };
    await site.createConnection({ ...exchanged, AutoConfigRoute: "true" });
    expect(site.gate.last.connections).toHaveLength(2);
    expect(site.gate.last.routes).toEqual([]);
  });

  it("with protected data flows gets a policy-based route for each pair of blocks, and takes them along", async () => {
    const id = await site.createConnection({
      LocalSubnet: "192.168.0.0/24,192.168.1.0/24",
      RemoteSubnet: "172.16.0.0/16",
      AutoConfigRoute: undefined,
    });
    const routes = async (): Promise<unknown> =>
      (await site.ok("DescribeVpnPbrRouteEntries", { VpnGatewayId: site.gatewayId }))["VpnPbrRouteEntries"];
    const sources = ["192.168.0.0/24", "192.168.1.0/24"];
    expect(await routes()).toMatchObject({
      VpnPbrRouteEntry: sources.map((RouteSource) => ({ RouteSource, NextHop: id, RouteDest: "172.16.0.0/16" })),
    });
    await site.ok("ModifyVpnConnectionAttribute", { VpnConnectionId: id, LocalSubnet: "192.168.1.0/24" });
    await site.cloud.settled();
    expect(await routes()).toMatchObject({ VpnPbrRouteEntry: [{ RouteSource: "192.168.1.0/24" }] });
    await site.ok("DeleteVpnConnection", { VpnConnectionId: id });
    await site.cloud.settled();
    expect(await routes()).toEqual({ VpnPbrRouteEntry: [] });
  });
});

describe("routes", () => {
  it("are published, withdrawn, weighed and deleted, and page by page", async () => {
    const site = await Site.startWithGateway();
    const connectionId = await site.createConnection();
    const destinations = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"];
    for (const RouteDest of destinations) {
      await site.ok("CreateVpnRouteEntry", site.routeParameters(connectionId, { RouteDest }));
      await site.cloud.settled();
    }
    const page = async (PageNumber: string): Promise<unknown> => {
      const parameters = { VpnGatewayId: site.gatewayId, PageNumber, PageSize: "2" };
      const answer = await site.ok("DescribeVpnRouteEntries", parameters);
      const { VpnRouteEntry } = answer["VpnRouteEntries"] as { VpnRouteEntry: { RouteDest: string }[] };
      return [answer["TotalCount"], ...VpnRouteEntry.map((route) => route.RouteDest)];
    };
    expect(await page("1")).toEqual([3, ...destinations.slice(0, 2)]);
    expect(await page("2")).toEqual([3, ...destinations.slice(2)]);
    expect(await page("3")).toEqual([3]);

    const first = site.routeParameters(connectionId, { RouteDest: "10.1.0.0/16" });
    await site.ok("PublishVpnRouteEntry", { ...first, PublishVpc: "false", RouteType: "dbr" });
    await site.cloud.settled();
    await site.ok("ModifyVpnRouteEntryWeight", { ...first, NewWeight: "100" });
    await site.cloud.settled();
    expect(site.gate.last.routes[0]).toEqual({
      gatewayId: site.gatewayId,
      connectionId,
      destination: "10.1.0.0/16",
      weight: 100,
      published: false,
    });
    await site.ok("DeleteVpnRouteEntry", first);
    await site.cloud.settled();
    expect(site.gate.last.routes.map((route) => route.destination)).toEqual(destinations.slice(1));
    await site.close();
  });

  it("of a gateway that is gone are an empty list, which the provider understands", async () => {
    const site = await Site.start();
    const answer = await site.ok("DescribeVpnRouteEntries", { VpnGatewayId: "vpn-gone" });
    expect(answer["VpnRouteEntries"]).toEqual({ VpnRouteEntry: [] });
    await site.close();
  });
});

describe("what is gone is told as the provider understands it:", () => {
  it.each<[string, Record<string, string>, number, Record<string, unknown>]>([
    ["DescribeVpcAttribute", { VpcId: "x" }, 404, { Code: "InvalidVpcId.NotFound" }],
    ["DescribeVSwitchAttributes", { VSwitchId: "x" }, 200, { VSwitchId: "" }],
    ["DescribeVpnGateway", { VpnGatewayId: "x" }, 400, { Code: "InvalidVpnGatewayInstanceId.NotFound" }],
    ["DescribeCustomerGateway", { CustomerGatewayId: "x" }, 400, { Code: "InvalidCustomerGatewayInstanceId.NotFound" }],
    ["DescribeVpnConnection", { VpnConnectionId: "x" }, 400, { Code: "InvalidVpnConnectionInstanceId.NotFound" }],
  ])("%s", async (action, parameters, status, body) => {
    const site = await Site.start();
    const answer = await call(site.cloud.endpoint, action, { RegionId: REGION, ...parameters });
    expect(answer).toMatchObject({ status, body });
    await site.close();
  });

  it("what is in another region", async () => {
    const site = await Site.startWithGateway();
    expect(
      await site.refusal("DescribeVpnGateway", { VpnGatewayId: site.gatewayId, RegionId: "eu-central-1" }),
    ).toMatchObject({ code: "InvalidVpnGatewayInstanceId.NotFound" });
    await site.close();
  });
});

describe("tags", () => {
  it("are put on, listed and taken off each kind of resource", async () => {
    const site = await Site.startWithGateway();
    const connectionId = await site.createConnection();
    const kinds = {
      VPC: site.vpcId,
      VSWITCH: site.vSwitchIds[0] ?? "",
      VpnGateWay: site.gatewayId,
      CUSTOMERGATEWAY: site.customerGatewayIds[0] ?? "",
      VPNCONNECTION: connectionId,
    };
    for (const [ResourceType, id] of Object.entries(kinds)) {
      const resource = { ResourceType, "ResourceId.1": id };
      await site.ok("TagResources", { ...resource, "Tag.1.Key": "a", "Tag.1.Value": "1", "Tag.2.Key": "b" });
      await site.ok("UnTagResources", { ...resource, "TagKey.1": "a", "TagKey.2": "never there" });
      const { TagResources } = await site.ok("ListTagResources", resource);
      expect(TagResources).toEqual({ TagResource: [{ ResourceId: id, ResourceType, TagKey: "b", TagValue: "" }] });
    }
    expect(
      await site.refusal("TagResources", { ResourceType: "EIP", "ResourceId.1": "x", "Tag.1.Key": "a" }),
    ).toMatchObject({
      code: "InvalidResourceType",
    });
    expect(
      await site.refusal("TagResources", { ResourceType: "VPC", "ResourceId.1": "x", "Tag.1.Key": "a" }),
    ).toMatchObject({
      code: "InvalidResourceId.NotFound",
    });
    await site.close();
  });
});

describe("a list", () => {
  it("shows what has the tags and the resource group that the call asks for", async () => {
    const site = await Site.startWithGateway();
    await site.createConnection({ "Tags.1.Key": "site", "Tags.1.Value": "one" });
    const tag = { "Tag.1.Key": "team", "Tag.1.Value": "network" };
    for (const [ResourceType, id] of [
      ["VPC", site.vpcId],
      ["CUSTOMERGATEWAY", site.customerGatewayIds[1] ?? ""],
    ] as const) {
      await site.ok("TagResources", { ResourceType, "ResourceId.1": id, ...tag });
    }
    const count = async (action: string, parameters: Record<string, string>): Promise<unknown> =>
      (await site.ok(action, parameters))["TotalCount"];
    expect(await count("DescribeVpcs", tag)).toBe(1);
    expect(await count("DescribeVpcs", { ...tag, "Tag.1.Value": "other" })).toBe(0);
    expect(await count("DescribeCustomerGateways", tag)).toBe(1);
    expect(await count("DescribeCustomerGateways", { "Tag.1.Key": "team" })).toBe(1);
    expect(await count("DescribeCustomerGateways", {})).toBe(2);
    expect(await count("DescribeVpnGateways", tag)).toBe(0);
    expect(await count("DescribeVpnGateways", { ResourceGroupId: "rg-default" })).toBe(1);
    expect(await count("DescribeVpnGateways", { ResourceGroupId: "rg-other" })).toBe(0);
    expect(await count("DescribeVpnConnections", { "Tag.1.Key": "site", "Tag.1.Value": "one" })).toBe(1);
    expect(await count("DescribeVpnConnections", { RegionId: "eu-central-1" })).toBe(0);
    expect(await count("DescribeVSwitches", { VpcId: site.vpcId, ZoneId: `${REGION}b` })).toBe(1);
    await site.close();
  });
});

describe("a client that goes away within its request", () => {
  it("is no defect of the cloud", async () => {
    const site = await Site.start();
    const [host, port] = site.cloud.endpoint.split(":");
    const socket = connect(Number(port), host);
    await once(socket, "connect");
    socket.write("POST /?Action=CreateVpc HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nCidr", () =>
      socket.destroy(),
    );
    await until(async () => site.log.find((line) => line.includes("went away")));
    expect(site.cloud.errors).toEqual([]);
    await site.close();
  });
});

describe("the cloud end", () => {
  it("is told the whole of what has to be, one state at a time", async () => {
    const site = await Site.startWithGateway();
    const connectionId = await site.createConnection({ EffectImmediately: "true", Name: "site-one" });
    await site.ok("CreateVpnRouteEntry", site.routeParameters(connectionId));
    await site.cloud.settled();
    const expected: CloudState = {
      gateways: [
        {
          id: site.gatewayId,
          vpcCidrBlock: "192.168.0.0/16",
          ipsecAddresses: ["192.0.2.152", "192.0.2.10"],
          autoPropagate: false,
          announced: ["192.168.1.0/24", "192.168.2.0/24"],
        },
      ],
      connections: [
        {
          id: connectionId,
          name: "site-one",
          gatewayId: site.gatewayId,
          localSubnets: ["0.0.0.0/0"],
          remoteSubnets: ["0.0.0.0/0"],
          effectImmediately: true,
          tunnels: [
            expect.objectContaining({
              role: "master",
              ipsecAddress: "192.0.2.152",
              peerAddress: "198.51.100.198",
              localId: "192.0.2.152",
              remoteId: "198.51.100.198",
              psk: PSK.master,
              ike: { version: "ikev1", mode: "main", enc: "aes", auth: "md5", dhGroup: "group2", lifetime: 86400 },
              esp: { enc: "aes", auth: "md5", pfs: "group2", lifetime: 86400 },
            }) as never,
            expect.objectContaining({ role: "slave", ipsecAddress: "192.0.2.10", psk: PSK.slave }) as never,
          ],
        },
      ],
      routes: [{ gatewayId: site.gatewayId, connectionId, destination: "172.16.0.0/16", weight: 0, published: true }],
    };
    expect(site.gate.last).toEqual(expected);
    expect(site.cloud.state()).toEqual(expected);

    // Two gateways may change at once; their states still come one after the other.
    const firstGateway = site.gatewayId;
    await site.createGateway();
    site.gate.shut();
    await Promise.all([
      site.ok("ModifyVpnConnectionAttribute", { VpnConnectionId: connectionId, Name: "renamed" }),
      site.ok("CreateVpnConnection", site.connectionParameters({ RemoteSubnet: "10.0.0.0/8" })),
    ]);
    site.gate.open();
    await site.cloud.settled();
    expect(site.gate.mostRunning).toBe(1);
    expect(site.gate.last.connections).toHaveLength(2);
    expect(site.gate.last.gateways.map((gateway) => gateway.id)).toEqual([firstGateway, site.gatewayId]);
    await site.close();
  });

  it("that fails is reported, without secrets, and the gateway is usable again", async () => {
    const cloudEnd: CloudEnd = {
      apply: async (state) => {
        const psk = state.connections[0]?.tunnels[0].psk;
        if (psk !== undefined) throw new Error(`charon refuses the secret ${psk}`);
      },
      tunnelStatus: async () => ({}),
      bgp: async () => ({}),
    };
    const site = await Site.startWithGateway({ cloudEnd });
    await site.createConnection();
    expect(site.cloud.errors).toEqual(["the cloud end could not apply the state: charon refuses the secret ***"]);
    expect(site.log).toContain(`error: ${site.cloud.errors[0]}`);
    expect((await site.ok("DescribeVpnGateway", { VpnGatewayId: site.gatewayId }))["Status"]).toBe("active");
    await site.close();
  });

  it("that takes too long is reported, and nobody waits for it", async () => {
    const site = await Site.startWithGateway({ delays: { cloudEndBound: 20 } });
    site.gate.shut();
    await site.createConnection();
    expect(site.cloud.errors).toEqual(["the cloud end did not apply the state within 20 ms"]);
    await site.close();
  });

  it("tells the tunnels' status, and the connection is as far as its farthest tunnel", async () => {
    const site = await Site.startWithGateway();
    const connectionId = await site.createConnection();
    const [active, standby] = await site.tunnels(connectionId);
    expect(active?.Status).toBe("ike_sa_not_established");
    site.gate.status = {
      [active?.TunnelId ?? ""]: "ike_sa_established",
      [standby?.TunnelId ?? ""]: "ipsec_sa_established",
    };
    await expect(
      until(async () => {
        const answer = await site.ok("DescribeVpnConnection", { VpnConnectionId: connectionId });
        const statuses = (await site.tunnels(connectionId)).map(({ Status }) => Status);
        return answer["Status"] === "ipsec_sa_established" ? statuses : undefined;
      }),
    ).resolves.toEqual(["ike_sa_established", "ipsec_sa_established"]);
    await site.close();
  });

  it("that does not tell the status holds no answer up", async () => {
    const silent = () => new Promise<never>(() => undefined);
    const cloudEnd: CloudEnd = { apply: async () => undefined, tunnelStatus: silent, bgp: silent };
    const site = await Site.startWithGateway({ cloudEnd });
    const connectionId = await site.createConnection();
    const began = performance.now();
    expect((await site.tunnels(connectionId))[0]?.Status).toBe("ike_sa_not_established");
    expect(performance.now() - began).toBeLessThan(10_000);
    await site.close();
  });

  it("that cannot tell the status is reported", async () => {
    const cloudEnd: CloudEnd = {
      apply: async () => undefined,
      tunnelStatus: async () => Promise.reject(new Error("no vici socket")),
      bgp: async () => ({}),
    };
    const site = await Site.startWithGateway({ cloudEnd });
    await site.tunnels(await site.createConnection());
    expect(site.cloud.errors).toEqual(["the cloud end could not tell the tunnels' status: no vici socket"]);
    await site.close();
  });
});

describe("a call that is repeated with its ClientToken", () => {
  it("is answered and not done again, and refused with other parameters", async () => {
    const site = await Site.start();
    const create = (IpAddress: string): Promise<Record<string, unknown>> =>
      site.ok("CreateCustomerGateway", { IpAddress, ClientToken: "token" });
    const first = await create("198.51.100.1");
    expect((await create("198.51.100.1"))["CustomerGatewayId"]).toBe(first["CustomerGatewayId"]);
    expect(
      await site.refusal("CreateCustomerGateway", { IpAddress: "198.51.100.2", ClientToken: "token" }),
    ).toMatchObject({ code: "IdempotentParameterMismatch" });
    await site.close();
  });

  it("is done again after a refusal", async () => {
    const site = await Site.start();
    site.cloud.failNext(
      "CreateCustomerGateway",
      400,
      "Throttling.User",
      "Request was denied due to user flow control.",
    );
    const parameters = { IpAddress: "198.51.100.1", ClientToken: "token" };
    expect(await site.refusal("CreateCustomerGateway", parameters)).toMatchObject({ code: "Throttling.User" });
    await site.ok("CreateCustomerGateway", parameters);
    await site.close();
  });
});

describe("the record of the calls", () => {
  it("has each call with its outcome, and no secret anywhere", async () => {
    const site = await Site.startWithGateway();
    const connectionId = await site.createConnection();
    await site.ok("ModifyVpnConnectionAttribute", {
      VpnConnectionId: connectionId,
      IkeConfig: JSON.stringify({ Psk: "single-tunnel-key" }),
      [`${MODIFY}.1.Role`]: "master",
      [`${MODIFY}.1.TunnelIkeConfig.Psk`]: "rotated-key",
    });
    await site.refusal("DescribeVpnGateway", { VpnGatewayId: "vpn-none" });
    const last = site.cloud.calls.slice(-2);
    expect(last).toMatchObject([
      {
        action: "ModifyVpnConnectionAttribute",
        status: 200,
        parameters: { [`${MODIFY}.1.TunnelIkeConfig.Psk`]: "***", [`${MODIFY}.1.Role`]: "master", IkeConfig: "***" },
      },
      { action: "DescribeVpnGateway", status: 400, code: "InvalidVpnGatewayInstanceId.NotFound" },
    ]);
    expect(Object.keys(last[1]?.parameters ?? {}).sort()).toEqual(["RegionId", "VpnGatewayId"]);
    expect(site.log.at(-1)).toBe(
      `400 InvalidVpnGatewayInstanceId.NotFound DescribeVpnGateway RegionId=${REGION} VpnGatewayId=vpn-none`,
    );
    const everything = JSON.stringify(site.cloud.calls) + site.log.join("\n");
    for (const secret of [PSK.master, PSK.slave, "rotated-key", "single-tunnel-key"]) {
      expect(everything).not.toContain(secret);
    }
    await site.close();
  });
});

describe("an injected failure", () => {
  it("meets the next call of its action only, and leaves no trace in the cloud", async () => {
    const site = await Site.start();
    site.cloud.failNext("CreateVpc", 500, "InternalError", "The request processing has failed.");
    expect(await site.refusal("CreateVpc", { CidrBlock: "10.0.0.0/8" })).toEqual({
      status: 500,
      code: "InternalError",
      message: "The request processing has failed.",
    });
    expect((await site.ok("DescribeVpcs"))["TotalCount"]).toBe(0);
    await site.ok("CreateVpc", { CidrBlock: "10.0.0.0/8" });
    await site.close();
  });
});
