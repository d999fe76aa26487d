// What a user of the stand-in for alicloud sees in Terraform: plans, drift, replacement, import, errors.
import * as fs from "node:fs";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { NO_DELAYS } from "../cloud/gate";
import { call } from "../cloud/rpc-client";
import { Workspace } from "./workspace";

const PSK = ["secret-of-the-active-one", "secret-of-the-standby"];
const base = fs.readFileSync(path.join(__dirname, "../cloud/recordings/main.tf"), "utf8");
const hidden = base
  .replace(/variable "psk1" .*/, 'variable "psk1" { sensitive = true }')
  .replace(/variable "psk2" .*/, 'variable "psk2" { sensitive = true }');
const policy = `
resource "alicloud_vpn_pbr_route_entry" "policy" {
  vpn_gateway_id = alicloud_vpn_gateway.this.id
  route_source   = "10.0.0.0/16"
  route_dest     = "192.168.9.0/24"
  next_hop       = alicloud_vpn_connection.this.id
  weight         = 0
  publish_vpc    = true
}
`;
const configuration = hidden + policy;

let cloud: EmulatedCloud;
let workspace: Workspace;
const variables = { psk1: PSK[0], psk2: PSK[1] };

beforeAll(async () => {
  cloud = await startEmulatedCloud({ delays: NO_DELAYS });
  workspace = await Workspace.create(configuration, cloud.endpoint);
  workspace.setVariables(variables);
}, 300_000);
afterAll(async () => {
  workspace.remove();
  await cloud.close();
});
jest.setTimeout(300_000);

const id = (address: string) => String(workspace.state()[address].id);
const api = async (action: string, parameters: Record<string, string>) => {
  const answer = await call(cloud.endpoint, action, { RegionId: "ap-southeast-1", ...parameters });
  expect(answer.status).toBe(200);
};
const changes = (since: number) =>
  cloud.calls.slice(since).filter(({ action, status }) => !action.startsWith("Describe") && status === 200);

describe("a plan of what does not exist yet", () => {
  let plan = "";
  beforeAll(async () => (plan = await workspace.plan()));

  it("does not know what the cloud will tell", () => {
    for (const name of [
      "internet_ip",
      "disaster_recovery_internet_ip",
      "tunnel_id",
      "zone_no",
      "local_id",
      "create_time",
    ])
      expect(plan).toMatch(new RegExp(`\\+ ${name} += \\(known after apply\\)`));
  });

  it("fills in the provider's defaults and leaves out what it suppresses", () => {
    expect(plan).toMatch(/\+ enable_ipsec += true/);
    expect(plan).not.toMatch(/\+ period /);
  });

  it("hides pre-shared keys that are sensitive", () => {
    expect(plan).toContain("psk          = (sensitive value)");
    for (const psk of PSK) expect(plan).not.toContain(psk);
  });
});

it("applies, and then has nothing to change", async () => {
  const output = await workspace.apply();
  for (const psk of PSK) expect(output).not.toContain(psk);
  expect(await workspace.hasChanges()).toBe(false);
  expect(workspace.state()["alicloud_vpn_gateway.this"]).toMatchObject({
    bandwidth: 10,
    internet_ip: "192.0.2.152",
    payment_type: "PayAsYouGo",
    period: null,
  });
});

it("keeps the pre-shared keys, the tunnels' order and their addresses in the state", () => {
  expect(workspace.state()["alicloud_vpn_connection.this"].tunnel_options_specification).toMatchObject([
    { role: "master", internet_ip: "192.0.2.152", tunnel_ike_config: [{ psk: PSK[0], local_id: "192.0.2.152" }] },
    { role: "slave", internet_ip: "192.0.2.10", tunnel_ike_config: [{ psk: PSK[1] }] },
  ]);
});

it("sees a change that others made, and undoes it", async () => {
  await api("ModifyVpnGatewayAttribute", { VpnGatewayId: id("alicloud_vpn_gateway.this"), Description: "by hand" });
  expect(await workspace.plan()).toMatch(/- description += "by hand" -> null/);
  const since = cloud.calls.length;
  await workspace.apply();
  expect(changes(since)).toMatchObject([{ action: "ModifyVpnGatewayAttribute", parameters: { Description: "" } }]);
  expect(await workspace.hasChanges()).toBe(false);
});

it("makes again what others deleted", async () => {
  const [gateway, connection, destination] = id("alicloud_vpn_route_entry.on_prem").split(":");
  await api("DeleteVpnRouteEntry", {
    VpnGatewayId: gateway,
    NextHop: connection,
    RouteDest: destination,
    Weight: "0",
  });
  await cloud.settled();
  expect(await workspace.plan()).toContain("1 to add, 0 to change, 0 to destroy");
  await workspace.apply();
  expect(await workspace.hasChanges()).toBe(false);
});

it("replaces a customer gateway whose address changes, with the connection and the routes that hang on it", async () => {
  workspace.setVariables({ ...variables, on_prem: ["192.0.2.10", "192.0.2.21"] });
  const plan = await workspace.plan();
  expect(plan).toMatch(/~ ip_address +=.*# forces replacement/);
  expect(plan).toMatch(/~ customer_gateway_id +=.*# forces replacement/);
  expect(plan).toMatch(/~ next_hop +=.*# forces replacement/);
  expect(plan).toContain("4 to add, 0 to change, 4 to destroy");
  workspace.setVariables(variables);
});

it("sends false and 0 for what is unset in a tunnel", async () => {
  const since = cloud.calls.length;
  workspace.write(
    configuration.replace(/ +enable_dpd .*\n +enable_nat_traversal .*\n/, "").replace(/ +ike_lifetime .*\n/, ""),
  );
  cloud.failNext("ModifyVpnConnectionAttribute", 400, "Forbidden", "Not in this test.");
  const output = await workspace.fail("apply", "-auto-approve");
  expect(cloud.calls.slice(since).find(({ action }) => action === "ModifyVpnConnectionAttribute")).toMatchObject({
    parameters: {
      "TunnelOptionsSpecification.1.EnableDpd": "false",
      "TunnelOptionsSpecification.1.EnableNatTraversal": "false",
      "TunnelOptionsSpecification.1.TunnelIkeConfig.IkeLifetime": "0",
    },
  });
  expect(output).toContain(`Resource ${id("alicloud_vpn_connection.this")} ModifyVpnConnectionAttribute Failed!!!`);
  expect(output).toContain("Code: Forbidden");
  for (const psk of PSK) expect(output).not.toContain(psk);
  workspace.write(configuration);
  expect(await workspace.hasChanges()).toBe(false);
});

it("tries again while the gateway is busy, and not when the API refuses", async () => {
  cloud.failNext("PublishVpnRouteEntry", 400, "VpnGateway.Configuring", "The specified service is configuring.");
  cloud.failNext("PublishVpnRouteEntry", 503, "ServiceUnavailable", "Later.");
  const unpublished = configuration.replace(/(route_dest +=.*"192.168.0.0\/16"[^}]*publish_vpc +=) true/, "$1 false");
  expect(unpublished).not.toBe(configuration);
  workspace.write(unpublished);
  const since = cloud.calls.length;
  await workspace.apply();
  const published = cloud.calls.slice(since).filter(({ action }) => action === "PublishVpnRouteEntry");
  expect(published.map(({ status }) => status)).toEqual([400, 503, 200]);
  cloud.failNext("PublishVpnRouteEntry", 400, "QuotaExceeded.X", "Too many.");
  workspace.write(configuration);
  expect(await workspace.fail("apply", "-auto-approve")).toContain("QuotaExceeded.X");
  await workspace.apply();
});

it("taints what was created and could not be finished", async () => {
  workspace.write(
    `${configuration}
resource "alicloud_vpn_customer_gateway" "third" {
  ip_address = "192.0.2.30"
  tags       = { a = "b" }
}
`,
  );
  cloud.failNext("TagResources", 400, "Forbidden", "No tags today.");
  expect(await workspace.fail("apply", "-auto-approve")).toContain("No tags today.");
  const made = workspace.state()["alicloud_vpn_customer_gateway.third"];
  expect(made).toMatchObject({ ip_address: "192.0.2.30", create_time: null });
  expect(await workspace.plan()).toContain("alicloud_vpn_customer_gateway.third is tainted, so must be replaced");
  workspace.write(configuration);
  await workspace.apply();
});

it("imports every resource, and then has nothing to change at the cloud", async () => {
  const addresses = Object.keys(workspace.state()).filter((address) => !address.startsWith("data."));
  expect(addresses).toHaveLength(9);
  const ids = addresses.map((address): [string, string] => [address, id(address)]);
  fs.renameSync(path.join(workspace.directory, "terraform.tfstate"), path.join(workspace.directory, "before"));
  // One by the command, the others by blocks.
  const [[first, firstId], ...others] = ids.reverse();
  await workspace.succeed("import", first, firstId);
  const blocks = others.map(([to, each]) => `import {\n  to = ${to}\n  id = "${each}"\n}\n`);
  workspace.write(configuration + blocks.join(""));
  const plan = await workspace.plan();
  // The one attribute that cannot be read, as with the real provider.
  expect(plan).toMatch(/\+ auto_config_route += false/);
  expect(plan).toContain("8 to import, 0 to add, 1 to change, 0 to destroy");
  const since = cloud.calls.length;
  await workspace.apply();
  expect(changes(since)).toEqual([]);
  workspace.write(configuration);
  expect(await workspace.hasChanges()).toBe(false);
});

it("refuses what the provider's checks refuse", async () => {
  const wrong = await Workspace.create(`
resource "alicloud_vpn_route_entry" "weight" {
  vpn_gateway_id = "vpn-1"
  route_dest = "10.0.0.0/8"
  next_hop = "vco-1"
  weight = 50
  publish_vpc = true
}
resource "alicloud_vpn_connection" "subnets" {
  vpn_gateway_id = "vpn-1"
  local_subnet = []
  remote_subnet = ["10.0.0.1/8"]
  name = "a"
  vpn_connection_name = "b"
}
resource "alicloud_vpn_gateway" "words" {
  vpc_id = "vpc-1"
  bandwidth = 10
  payment_type = "Free"
  period = 10
}
resource "alicloud_vswitch" "zone" { vpc_id = "vpc-1" }
`);
  try {
    const output = (await wrong.fail("validate")).replace(/\s+/g, " ");
    for (const text of [
      "expected weight to be one of [0 100], got 50",
      "local_subnet requires 1 item minimum",
      'expected "10.0.0.0/8", got "10.0.0.1/8"',
      '"vpn_connection_name": conflicts with name',
      "expected payment_type to be one of",
      "expected period to be one of",
      "exactly one of `availability_zone,zone_id`",
    ])
      expect(output).toContain(text);
  } finally {
    wrong.remove();
  }
});

it("says what it does not serve", async () => {
  const other = await Workspace.create(
    `
resource "alicloud_security_group" "g" { name = "g" }
resource "alicloud_vpc" "v" { enable_ipv6 = true }
`,
    cloud.endpoint,
  );
  try {
    const output = (await other.fail("plan")).replace(/\s+/g, " ");
    expect(output).toContain("does not serve alicloud_security_group");
    expect(output).toContain("does not serve enable_ipv6 of alicloud_vpc; the real provider does");
  } finally {
    other.remove();
  }
});

it("talks to nothing but an emulated API", async () => {
  const outside = await Workspace.create(`resource "alicloud_vpc" "v" {}`, "vpc.ap-southeast-1.aliyuncs.com");
  try {
    expect((await outside.fail("plan")).replace(/\s+/g, " ")).toContain("talks to an emulated API only");
  } finally {
    outside.remove();
  }
});
