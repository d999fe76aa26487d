// BGP as the emulated API tells and refuses it; the sessions themselves are the cloud end's.
import { Site, until, type Changes } from "./fixture";

/** A tunnel's BGP with the cloud's address first. */
function bgp(tunnel: 1 | 2, cidr: string, changes: Changes = {}): Changes {
  const values: Changes = { LocalAsn: "45104", TunnelCidr: cidr, LocalBgpIp: cidr.replace(/0\/30$/, "1"), ...changes };
  return Object.fromEntries(Object.entries(values).map(([k, value]) => [`${tunnel}.TunnelBgpConfig.${k}`, value]));
}
const BOTH: Changes = { EnableTunnelsBgp: "true", ...bgp(1, "169.254.11.0/30"), ...bgp(2, "169.254.12.0/30") };

let site: Site;
beforeEach(async () => {
  site = await Site.startWithGateway();
  const numbered = [
    ["198.51.100.7", "65010"],
    ["203.0.113.7", "65010"],
  ];
  site.customerGatewayIds = [];
  for (const [IpAddress, Asn] of numbered) {
    site.customerGatewayIds.push(
      String((await site.ok("CreateCustomerGateway", { IpAddress, Asn })).CustomerGatewayId),
    );
  }
});
afterEach(() => site.close());

const modify = (VpnConnectionId: string, changes: Changes) => {
  const named = Object.entries(changes).map(([name, value]) => [
    /^\d\./.test(name) ? `TunnelOptionsSpecification.${name}` : name,
    value ?? "",
  ]);
  return { VpnConnectionId, ...(Object.fromEntries(named) as Record<string, string>) };
};
const propagate = async (on: boolean) => {
  await site.ok("ModifyVpnGatewayAttribute", { VpnGatewayId: site.gatewayId, AutoPropagate: String(on) });
  await site.cloud.settled();
};

describe("a connection with BGP", () => {
  it("is told to the cloud end with both ends of each session, while BGP is on", async () => {
    await propagate(true);
    const id = await site.createConnection(BOTH);
    const ends = { cloudAsn: 45104, peerAsn: 65010, prefixLength: 30 };
    const told = () => site.gate.last.connections[0]?.tunnels.map((tunnel) => tunnel.bgp);
    expect(told()).toEqual([
      { ...ends, cloudAddress: "169.254.11.1", peerAddress: "169.254.11.2" },
      { ...ends, cloudAddress: "169.254.12.1", peerAddress: "169.254.12.2" },
    ]);
    expect(site.gate.last.gateways).toMatchObject([
      { autoPropagate: true, announced: ["192.168.1.0/24", "192.168.2.0/24"] },
    ]);
    await site.ok("ModifyVpnConnectionAttribute", modify(id, { EnableTunnelsBgp: "false" }));
    await site.cloud.settled();
    expect(told()).toEqual([undefined, undefined]);
  });

  it("has the cloud end announce a vSwitch that comes, and no longer one that goes", async () => {
    const third = await site.createVSwitch("192.168.3.0/24", "ap-southeast-1a");
    await site.cloud.settled();
    expect(site.gate.last.gateways[0]?.announced).toContain("192.168.3.0/24");
    await site.ok("DeleteVSwitch", { VSwitchId: third });
    await site.cloud.settled();
    expect(site.gate.last.gateways[0]?.announced).toEqual(["192.168.1.0/24", "192.168.2.0/24"]);
  });

  it("shows each session and whether it is established, and nothing once BGP is off", async () => {
    const id = await site.createConnection(BOTH);
    const [active, standby] = await site.tunnels(id);
    const common = { LocalAsn: "45104", PeerAsn: "65010" };
    expect(active?.TunnelBgpConfig).toEqual({
      ...common,
      LocalBgpIp: "169.254.11.1",
      PeerBgpIp: "169.254.11.2",
      TunnelCidr: "169.254.11.0/30",
      BgpStatus: "false",
    });
    site.gate.sessions = { [standby?.TunnelId ?? ""]: { established: true, routes: [] } };
    const statuses = async () => (await site.tunnels(id)).map((tunnel) => tunnel.TunnelBgpConfig?.BgpStatus);
    expect(await until(async () => ((await statuses()).includes("success") ? statuses() : undefined))).toEqual([
      "false",
      "success",
    ]);
    await site.ok("ModifyVpnConnectionAttribute", modify(id, { EnableTunnelsBgp: "false" }));
    await site.cloud.settled();
    expect((await site.tunnels(id)).map((tunnel) => tunnel.TunnelBgpConfig)).toEqual([undefined, undefined]);
  });

  it("has its gateway say so", async () => {
    const gateway = async () => site.ok("DescribeVpnGateway", { VpnGatewayId: site.gatewayId });
    expect(await gateway()).toMatchObject({ EnableBgp: false, Tag: '{"VpnEnableBgp":"true"}' });
    await site.createConnection(BOTH);
    expect(await gateway()).toMatchObject({ EnableBgp: true });
  });

  it("gives the other side both ends exchanged", async () => {
    const VpnConnectionId = await site.createConnection(BOTH);
    const { VpnConnectionConfig } = await site.ok("DownloadVpnConnectionConfig", { VpnConnectionId });
    expect(VpnConnectionConfig).toMatchObject({
      BgpConfigs: {
        BgpConfig: [
          {
            LocalAsn: "65010",
            LocalBgpIp: "169.254.11.2",
            PeerAsn: "45104",
            PeerBgpIp: "169.254.11.1",
            TunnelCidr: "169.254.11.0/30",
          },
          { LocalBgpIp: "169.254.12.2", PeerBgpIp: "169.254.12.1", TunnelCidr: "169.254.12.0/30" },
        ],
      },
    });
  });

  it("may be made of one without, and may exchange its tunnels' blocks", async () => {
    const id = await site.createConnection();
    await site.ok("ModifyVpnConnectionAttribute", modify(id, { "1.Role": "master", "2.Role": "slave", ...BOTH }));
    await site.cloud.settled();
    const exchanged = { ...bgp(1, "169.254.12.0/30"), ...bgp(2, "169.254.11.0/30") };
    await site.ok("ModifyVpnConnectionAttribute", modify(id, { "1.Role": "master", "2.Role": "slave", ...exchanged }));
    await site.cloud.settled();
    const blocks = (await site.tunnels(id)).map((tunnel) => tunnel.TunnelBgpConfig?.TunnelCidr);
    expect(blocks).toEqual(["169.254.12.0/30", "169.254.11.0/30"]);
  });

  const own = "65010";
  it.each<[string, Changes, string]>([
    ["the network's own address", bgp(1, "169.254.11.0/30", { LocalBgpIp: "169.254.11.0" }), "IllegalParam.LocalBgpIp"],
    ["the broadcast address", bgp(2, "169.254.12.0/30", { LocalBgpIp: "169.254.12.3" }), "IllegalParam.LocalBgpIp"],
    ["one block for both", bgp(2, "169.254.11.0/30"), "IllegalParam.TunnelCidr"],
    ["the customer gateway's AS number", bgp(2, "169.254.12.0/30", { LocalAsn: own }), "IllegalParam.LocalAsn"],
    ["AS number 0", bgp(1, "169.254.11.0/30", { LocalAsn: "0" }), "IllegalParam.LocalAsn"],
  ])("is refused with %s, at its making and at a change", async (_name, changes, code) => {
    const parameters = site.connectionParameters({ ...BOTH, ...changes });
    expect(await site.refusal("CreateVpnConnection", parameters)).toMatchObject({ status: 400, code });
    const id = await site.createConnection(BOTH);
    const change = modify(id, { "1.Role": "master", "2.Role": "slave", ...changes });
    expect(await site.refusal("ModifyVpnConnectionAttribute", change)).toMatchObject({ status: 400, code });
  });
});

describe("the propagation of routes", () => {
  it("is switched off only where no connection has BGP", async () => {
    await propagate(true);
    const id = await site.createConnection(BOTH);
    const off = { VpnGatewayId: site.gatewayId, AutoPropagate: "false" };
    expect(await site.refusal("ModifyVpnGatewayAttribute", off)).toEqual({
      status: 400,
      code: "OperationDenied.BgpEnabled",
      message: expect.stringMatching(/switch that off first/) as string,
    });
    await site.ok("ModifyVpnConnectionAttribute", modify(id, { EnableTunnelsBgp: "false" }));
    await site.cloud.settled();
    await propagate(false);
    expect(site.cloud.state().gateways[0]?.autoPropagate).toBe(false);
  });
});

describe("routes by BGP", () => {
  const list = (RouteEntryType?: string) =>
    site.ok("DescribeVpnRouteEntries", {
      VpnGatewayId: site.gatewayId,
      PageSize: "50",
      ...(RouteEntryType === undefined ? {} : { RouteEntryType }),
    });
  const rows = (answer: Record<string, unknown>) =>
    (answer.VpnRouteEntries as { VpnRouteEntry: Record<string, unknown>[] }).VpnRouteEntry;
  /** What the active tunnel's session brought. */
  const learn = async (id: string, destinations: readonly string[]) => {
    const [active] = await site.tunnels(id);
    const routes = destinations.map((destination) => ({ destination, asPath: "65010" }));
    site.gate.sessions = { [active?.TunnelId ?? ""]: { established: true, routes } };
    return until(async () => {
      const found = rows(await list("bgp"));
      return found.length > 0 ? found : undefined;
    });
  };

  it("are listed when asked for, and never among those that were made", async () => {
    const id = await site.createConnection(BOTH);
    await site.ok("CreateVpnRouteEntry", site.routeParameters(id, { RouteDest: "172.31.0.0/16" }));
    await site.cloud.settled();
    const [active] = await site.tunnels(id);
    expect(await learn(id, ["172.16.0.0/16"])).toEqual([
      expect.objectContaining({
        VpnInstanceId: site.gatewayId,
        NextHop: id,
        NextHopTunnelId: active?.TunnelId,
        RouteDest: "172.16.0.0/16",
        RouteEntryType: "bgp",
        AsPath: "65010",
        State: "normal",
      }),
    ]);
    for (const asked of [undefined, "custom"]) {
      expect(rows(await list(asked)).map((route) => route.RouteDest)).toEqual(["172.31.0.0/16"]);
    }
    expect((await list()).VpnRouteCounts).toEqual({
      VpnRouteCount: [
        { RouteEntryType: "custom", RouteCount: 1 },
        { RouteEntryType: "bgp", RouteCount: 1 },
      ],
    });
    const parameters = { VpnGatewayId: site.gatewayId, RouteEntryType: "static" };
    expect(await site.refusal("DescribeVpnRouteEntries", parameters)).toMatchObject({
      code: "IllegalParam.RouteEntryType",
    });
  });

  it("are published where the gateway propagates", async () => {
    await propagate(true);
    const id = await site.createConnection(BOTH);
    expect((await learn(id, ["172.16.0.0/16"])).map(({ State }) => State)).toEqual(["published"]);
  });

  it("are neither the default route nor what Alibaba keeps for itself, and at most 50", async () => {
    const id = await site.createConnection(BOTH);
    const none = ["0.0.0.0/0", "100.64.0.0/10", "100.100.1.0/24", "100.0.0.0/8"];
    expect((await learn(id, [...none, "10.1.0.0/16"])).map(({ RouteDest }) => RouteDest)).toEqual(["10.1.0.0/16"]);
    const many = Array.from({ length: 51 }, (_, index) => `10.2.${index}.0/24`);
    await learn(id, many);
    await until(async () => (rows(await list("bgp")).length > 1 ? true : undefined));
    expect(rows(await list("bgp")).map(({ RouteDest }) => RouteDest)).toEqual(many.slice(0, 50));
  });

  it("are gone with BGP, whatever the cloud end still tells", async () => {
    const id = await site.createConnection(BOTH);
    await learn(id, ["172.16.0.0/16"]);
    await site.ok("ModifyVpnConnectionAttribute", modify(id, { EnableTunnelsBgp: "false" }));
    expect(rows(await list("bgp"))).toEqual([]);
  });
});
