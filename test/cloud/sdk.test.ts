// Alibaba's own Node SDK against the emulated cloud: the whole life of a connection, the lists, and the errors.
import VpcClient, * as models from "@alicloud/vpc20160428";
import { Config } from "@alicloud/openapi-client";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { Gate, NO_DELAYS } from "./gate";

const regionId = "ap-southeast-1";

describe("Alibaba's SDK", () => {
  const gate = new Gate();
  let cloud: EmulatedCloud;
  let client: VpcClient;
  let vpcId: string;
  let vpnGatewayId: string;
  let vpnConnectionId: string;
  const vSwitchIds: string[] = [];
  const customerGatewayIds: string[] = [];

  beforeAll(async () => {
    cloud = await startEmulatedCloud({ cloudEnd: gate, delays: NO_DELAYS });
    client = clientWith("test");
  });
  afterAll(async () => {
    gate.open();
    await cloud.close();
  });

  function clientWith(accessKeySecret: string): VpcClient {
    const { endpoint } = cloud;
    return new VpcClient(new Config({ accessKeyId: "test", accessKeySecret, endpoint, protocol: "HTTP", regionId }));
  }

  const connectionRequest = (): models.CreateVpnConnectionRequest =>
    new models.CreateVpnConnectionRequest({
      regionId,
      vpnGatewayId,
      name: "singapore",
      localSubnet: "0.0.0.0/0",
      remoteSubnet: "0.0.0.0/0",
      effectImmediately: true,
      autoConfigRoute: false,
      tags: [new models.CreateVpnConnectionRequestTags({ key: "site", value: "one" })],
      tunnelOptionsSpecification: ["master", "slave"].map(
        (role, index) =>
          new models.CreateVpnConnectionRequestTunnelOptionsSpecification({
            role,
            customerGatewayId: customerGatewayIds[index],
            enableDpd: true,
            enableNatTraversal: true,
            tunnelIkeConfig: new models.CreateVpnConnectionRequestTunnelOptionsSpecificationTunnelIkeConfig({
              ikeVersion: "ikev2",
              ikeMode: "main",
              ikeEncAlg: "aes256",
              ikeAuthAlg: "sha256",
              ikePfs: "group14",
              ikeLifetime: 86400,
              psk: `~!*'()-${role}`,
            }),
            tunnelIpsecConfig: new models.CreateVpnConnectionRequestTunnelOptionsSpecificationTunnelIpsecConfig({
              ipsecEncAlg: "aes256",
              ipsecAuthAlg: "sha256",
              ipsecPfs: "group14",
              ipsecLifetime: 3600,
            }),
          }),
      ),
    });

  async function describeTunnels() {
    const { body } = await client.describeVpnConnection(
      new models.DescribeVpnConnectionRequest({ regionId, vpnConnectionId }),
    );
    return body?.tunnelOptionsSpecification?.tunnelOptions ?? [];
  }

  it("makes a VPC with two vSwitches in zones that have VPN gateways", async () => {
    const zones = await client.describeVpnGatewayAvailableZones(
      new models.DescribeVpnGatewayAvailableZonesRequest({ regionId, spec: "5M" }),
    );
    const zoneIds = zones.body?.availableZoneIdList?.map((zone) => zone.zoneId) ?? [];
    const vpc = await client.createVpc(
      new models.CreateVpcRequest({ regionId, vpcName: "vpc", cidrBlock: "192.168.0.0/16" }),
    );
    vpcId = vpc.body?.vpcId ?? "";
    for (const [index, zoneId] of zoneIds.slice(0, 2).entries()) {
      const cidrBlock = `192.168.${index}.0/24`;
      const vSwitch = await client.createVSwitch(
        new models.CreateVSwitchRequest({ regionId, vpcId, zoneId, cidrBlock }),
      );
      vSwitchIds.push(vSwitch.body?.vSwitchId ?? "");
    }
    const described = await client.describeVpcAttribute(new models.DescribeVpcAttributeRequest({ regionId, vpcId }));
    expect(described.body).toMatchObject({
      status: "Available",
      vpcName: "vpc",
      vSwitchIds: { vSwitchId: vSwitchIds },
    });
    const listed = await client.describeVSwitches(new models.DescribeVSwitchesRequest({ regionId, vpcId }));
    expect(listed.body?.vSwitches?.vSwitch?.map((vSwitch) => vSwitch.zoneId)).toEqual(zoneIds.slice(0, 2));
  });

  it("makes a VPN gateway with two IPsec addresses", async () => {
    const created = await client.createVpnGateway(
      new models.CreateVpnGatewayRequest({
        regionId,
        vpcId,
        bandwidth: 10,
        vSwitchId: vSwitchIds[0],
        disasterRecoveryVSwitchId: vSwitchIds[1],
        instanceChargeType: "POSTPAY",
        autoPay: true,
      }),
    );
    vpnGatewayId = created.body?.vpnGatewayId ?? "";
    await cloud.settled();
    const { body } = await client.describeVpnGateway(new models.DescribeVpnGatewayRequest({ regionId, vpnGatewayId }));
    expect(body).toMatchObject({
      status: "active",
      spec: "10M",
      internetIp: "192.0.2.152",
      disasterRecoveryInternetIp: "192.0.2.10",
      vSwitchId: vSwitchIds[0],
      disasterRecoveryVSwitchId: vSwitchIds[1],
    });
    const listed = await client.describeVpnGateways(new models.DescribeVpnGatewaysRequest({ regionId, vpcId }));
    expect(listed.body?.vpnGateways?.vpnGateway?.map((gateway) => gateway.vpnGatewayId)).toEqual([vpnGatewayId]);
    const none = await client.describeVpnGateways(
      new models.DescribeVpnGatewaysRequest({ regionId, status: "updating" }),
    );
    expect(none.body?.totalCount).toBe(0);
  });

  it("makes customer gateways and lists them page by page", async () => {
    for (const ipAddress of ["198.51.100.198", "203.0.113.181"]) {
      const created = await client.createCustomerGateway(
        new models.CreateCustomerGatewayRequest({ regionId, ipAddress, name: "uplink" }),
      );
      customerGatewayIds.push(created.body?.customerGatewayId ?? "");
    }
    const listed = await client.describeCustomerGateways(
      new models.DescribeCustomerGatewaysRequest({ regionId, pageNumber: 2, pageSize: 1 }),
    );
    expect(listed.body).toMatchObject({ totalCount: 2, pageNumber: 2, pageSize: 1 });
    expect(listed.body?.customerGateways?.customerGateway?.map((gateway) => gateway.ipAddress)).toEqual([
      "203.0.113.181",
    ]);
  });

  it("makes a connection, with every character of its pre-shared keys as given", async () => {
    vpnConnectionId = (await client.createVpnConnection(connectionRequest())).body?.vpnConnectionId ?? "";
    await cloud.settled();
    const tunnels = await describeTunnels();
    expect(tunnels.map((tunnel) => [tunnel.role, tunnel.internetIp, tunnel.tunnelIkeConfig?.psk])).toEqual([
      ["master", "192.0.2.152", "~!*'()-master"],
      ["slave", "192.0.2.10", "~!*'()-slave"],
    ]);
    expect(gate.last.connections[0]?.tunnels[1].psk).toBe("~!*'()-slave");
    const listed = await client.describeVpnConnections(
      new models.DescribeVpnConnectionsRequest({ regionId, vpnGatewayId }),
    );
    expect(listed.body?.vpnConnections?.vpnConnection).toMatchObject([
      { vpnConnectionId, name: "singapore", state: "active", tag: { tag: [{ key: "site", value: "one" }] } },
    ]);
  });

  it("changes the active tunnel's pre-shared key alone, as the page's drill does", async () => {
    const [, standby] = await describeTunnels();
    const changes = new models.ModifyVpnConnectionAttributeRequestTunnelOptionsSpecification({
      role: "master",
      tunnelIkeConfig: new models.ModifyVpnConnectionAttributeRequestTunnelOptionsSpecificationTunnelIkeConfig({
        psk: "wrong-on-purpose",
      }),
    });
    await client.modifyVpnConnectionAttribute(
      new models.ModifyVpnConnectionAttributeRequest({
        regionId,
        vpnConnectionId,
        tunnelOptionsSpecification: [changes],
      }),
    );
    await cloud.settled();
    const [active, untouched] = await describeTunnels();
    expect(active?.tunnelIkeConfig).toMatchObject({
      psk: "wrong-on-purpose",
      ikeEncAlg: "aes256",
      ikeVersion: "ikev2",
    });
    expect(active).toMatchObject({ enableDpd: "true", tunnelIpsecConfig: { ipsecLifetime: "3600" } });
    expect(untouched).toEqual(standby);
  });

  it("gets the configuration for the other side", async () => {
    const { body } = await client.downloadVpnConnectionConfig(
      new models.DownloadVpnConnectionConfigRequest({ regionId, vpnConnectionId }),
    );
    const [active] = body?.vpnConnectionConfig?.tunnelsConfig?.tunnelConfig ?? [];
    expect(active).toMatchObject({
      local: "198.51.100.198",
      remote: "192.0.2.152",
      ikeConfig: { localId: "198.51.100.198", remoteId: "192.0.2.152", psk: "wrong-on-purpose", ikeLifetime: 86400 },
      ipsecConfig: { ipsecPfs: "group14" },
    });
  });

  it("makes, tags, changes and deletes routes of both kinds", async () => {
    const route = { regionId, vpnGatewayId, nextHop: vpnConnectionId, routeDest: "172.16.0.0/16", weight: 0 };
    await client.createVpnRouteEntry(new models.CreateVpnRouteEntryRequest({ ...route, publishVpc: true }));
    await cloud.settled();
    const policy = { ...route, routeSource: "192.168.0.0/16" };
    await client.createVpnPbrRouteEntry(new models.CreateVpnPbrRouteEntryRequest({ ...policy, publishVpc: false }));
    await cloud.settled();
    const byDestination = await client.describeVpnRouteEntries(
      new models.DescribeVpnRouteEntriesRequest({ regionId, vpnGatewayId }),
    );
    expect(byDestination.body?.vpnRouteEntries?.vpnRouteEntry).toMatchObject([{ state: "published", weight: 0 }]);
    const byPolicy = await client.describeVpnPbrRouteEntries(
      new models.DescribeVpnPbrRouteEntriesRequest({ regionId, vpnGatewayId }),
    );
    expect(byPolicy.body?.vpnPbrRouteEntries?.vpnPbrRouteEntry).toMatchObject([
      { state: "normal", routeSource: "192.168.0.0/16" },
    ]);
    await client.deleteVpnPbrRouteEntry(new models.DeleteVpnPbrRouteEntryRequest(policy));
    await cloud.settled();
    await client.deleteVpnRouteEntry(new models.DeleteVpnRouteEntryRequest(route));
    await cloud.settled();
    expect(gate.last.routes).toEqual([]);
    await client.tagResources(
      new models.TagResourcesRequest({
        regionId,
        resourceType: "VPNGATEWAY",
        resourceId: [vpnGatewayId],
        tag: [new models.TagResourcesRequestTag({ key: "team", value: "network" })],
      }),
    );
    const { body } = await client.describeVpnGateway(new models.DescribeVpnGatewayRequest({ regionId, vpnGatewayId }));
    expect(body?.tags?.tag).toMatchObject([{ key: "team", value: "network" }]);
  });

  it("meets Alibaba's error codes", async () => {
    const duplicate = new models.CreateCustomerGatewayRequest({ regionId, ipAddress: "198.51.100.198" });
    await expect(client.createCustomerGateway(duplicate)).rejects.toMatchObject({
      code: "InvalidIpAddress.AlreadyExist",
      statusCode: 400,
    });
    await expect(
      client.deleteVpnGateway(new models.DeleteVpnGatewayRequest({ regionId, vpnGatewayId })),
    ).rejects.toMatchObject({ code: "VpnDependencyViolation.VpnConnection" });
    gate.shut();
    const rename = new models.ModifyVpnConnectionAttributeRequest({ regionId, vpnConnectionId, name: "renamed" });
    await client.modifyVpnConnectionAttribute(rename);
    await expect(client.modifyVpnConnectionAttribute(rename)).rejects.toMatchObject({ code: "VpnGateway.Configuring" });
    gate.open();
    await cloud.settled();
    const vpcRequest = new models.DescribeVpcAttributeRequest({ regionId, vpcId: "vpc-none" });
    await expect(client.describeVpcAttribute(vpcRequest)).rejects.toMatchObject({ statusCode: 404 });
    await expect(clientWith("wrong").describeVpcs(new models.DescribeVpcsRequest({ regionId }))).rejects.toMatchObject({
      code: "SignatureDoesNotMatch",
    });
    await expect(client.describeNatGateways(new models.DescribeNatGatewaysRequest({ regionId }))).rejects.toMatchObject(
      {
        code: "InvalidAction",
        statusCode: 400,
      },
    );
  });

  it("takes everything down again", async () => {
    await client.deleteVpnConnection(new models.DeleteVpnConnectionRequest({ regionId, vpnConnectionId }));
    await cloud.settled();
    for (const customerGatewayId of customerGatewayIds) {
      await client.deleteCustomerGateway(new models.DeleteCustomerGatewayRequest({ regionId, customerGatewayId }));
    }
    await client.deleteVpnGateway(new models.DeleteVpnGatewayRequest({ regionId, vpnGatewayId }));
    await cloud.settled();
    for (const vSwitchId of vSwitchIds) {
      await client.deleteVSwitch(new models.DeleteVSwitchRequest({ regionId, vSwitchId }));
    }
    await client.deleteVpc(new models.DeleteVpcRequest({ regionId, vpcId }));
    const left = await client.describeVpcs(new models.DescribeVpcsRequest({ regionId }));
    expect(left.body?.totalCount).toBe(0);
    expect(gate.last).toEqual({ gateways: [], connections: [], routes: [] });
    expect(cloud.errors).toEqual([]);
  });
});
