// Every shape that the library offers, deployed in one lab: the stacks are in shapes-stacks.ts.
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { TunnelReport } from "../../lab/cloud-end";
import { differences, listingOf } from "../../lab/box/listing";
import { REGION } from "../../lab/deployment/new-network";
import { BRANCH, ECS, LAN, VPC_CIDR } from "../../lab/network";
import { derivedNumber } from "../../lib/host/numbers";
import { PSK_PUNCTUATION } from "../../lib/ipsec/pre-shared-key";
import { call } from "../cloud/rpc-client";
import { Branch } from "./branch";
import { addNetworks, FIRST_PAIR, reachEachOther, type Pair } from "./more-networks";
import {
  adoptedThings,
  CHANGED,
  clashing,
  newEverything,
  SAMPLE,
  sshTo,
  TAGS,
  type ExistingVpc,
} from "./shapes-stacks";
import { StackDeployment, type StackDeploymentOptions } from "./stack-deployment";
import { TerraformLab } from "./terraform-lab";
import { expectedSuite, negotiatedSuites, type Algorithms, type Suite } from "./suites";

jest.setTimeout(600_000);

// Typed out: what Alibaba's documentation of CreateVpnConnection lists.
const EVERY_CHARACTER =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + "~!`@#$%^&*()_-+={}[]|;:',.<>/?";

const KEYS = {
  alpha_psk_active: EVERY_CHARACTER,
  alpha_psk_standby: [...EVERY_CHARACTER].reverse().join(""),
  beta_psk_active: "psk-of-beta-one",
  beta_psk_standby: "psk-of-beta-two",
};

/** What has to reach each other by alpha, by beta and by gamma. */
const PAIRS: readonly Pair[] = [
  FIRST_PAIR,
  ["10.40.3.10", "192.168.20.10"],
  [LAN.server, "10.64.10.10"],
  ["10.40.3.10", "10.64.20.10"],
  ["10.50.3.10", "10.96.0.10"],
];

describe("every shape in one lab", () => {
  const place = new TerraformLab("shapes");
  const { lab, cloudEnd } = place;
  const branch = new Branch(lab);
  let secondVpc: ExistingVpc;
  /** What alpha's tunnels are to negotiate. */
  let alpha: Readonly<Record<string, Algorithms>> = SAMPLE;
  let first: StackDeployment;
  let second: StackDeployment;
  let relay: Server;

  const deployment = (name: string, build: StackDeploymentOptions["build"], variables = {}) =>
    new StackDeployment({ ...place.deploysWith, name, build, variables });

  beforeAll(async () => {
    await place.start();
    await addNetworks(lab);
    await branch.start();
  }, 900_000);

  afterAll(async () => {
    relay?.close();
    await place.stop();
  }, 60_000);

  // What somebody does by hand in the console.
  async function make(action: string, parameters: Record<string, string>): Promise<Record<string, unknown>> {
    const { status, body } = await call(place.cloud.endpoint, action, { RegionId: REGION, ...parameters });
    if (status !== 200) throw new Error(`${action}: ${String(body.Code)}: ${String(body.Message)}`);
    return body;
  }
  async function makeVpc(cidrBlock: string): Promise<ExistingVpc> {
    const id = String((await make("CreateVpc", { CidrBlock: cidrBlock })).VpcId);
    const vswitch = async (number: 0 | 1) => {
      const CidrBlock = cidrBlock.replace("0.0/16", `${200 + number}.0/24`);
      const ZoneId = REGION + "ab"[number];
      return String((await make("CreateVSwitch", { VpcId: id, ZoneId, CidrBlock })).VSwitchId);
    };
    return { id, cidrBlock, vswitchIds: [await vswitch(0), await vswitch(1)] };
  }

  const suites = async () => negotiatedSuites(await lab.box.succeed("swanctl --list-sas"));

  /** Rekeys these CHILD_SAs of the box and gives what was negotiated then. */
  async function rekeyed(tunnels: readonly string[]): Promise<Map<string, Suite>> {
    const before = await suites();
    await lab.box.succeed(tunnels.map((tunnel) => `swanctl --rekey --child ${tunnel}`).join(" && "));
    for (const deadline = Date.now() + 60_000; ; await delay(250)) {
      const after = await suites();
      const old = tunnels.filter((tunnel) => (after.get(tunnel)?.child ?? 0) <= (before.get(tunnel)?.child ?? 0));
      if (old.length === 0) return after;
      if (Date.now() > deadline)
        throw new Error(`not rekeyed within 60 s: ${old.join(", ")}\n${await cloudEnd.log(40)}`);
    }
  }

  it("deploys a new gateway, a site with two egress IPs, a second site and a second gateway, all in one stack", async () => {
    secondVpc = await makeVpc("10.64.0.0/16");
    first = deployment("new", (stack) => newEverything(sshTo(lab), secondVpc, alpha)(stack), KEYS);
    const text = await first.apply();
    expect(text).toMatch(/connection alpha: both tunnels are up/);
    expect(text).not.toMatch(/ABCDEFGHIJ|psk-of-beta/);
    await branch.configure((await first.outputs()).branchSwanctl, VPC_CIDR);
    await Promise.all([reachEachOther(lab, FIRST_PAIR), reachEachOther(lab, [BRANCH.server, ECS.address], "branch")]);
  });

  it("deploys on an existing gateway, by one uplink, and a box for an existing connection", async () => {
    const { id: VpcId, cidrBlock, vswitchIds } = await makeVpc("10.96.0.0/16");
    const [VSwitchId, DisasterRecoveryVSwitchId] = vswitchIds;
    const parameters = { VpcId, Bandwidth: "10", VSwitchId, DisasterRecoveryVSwitchId, Name: "by-hand" };
    const id = String((await make("CreateVpnGateway", parameters)).VpnGatewayId);
    await place.cloud.settled();
    const addresses = place.cloud.state().gateways.find((gateway) => gateway.id === id)!.ipsecAddresses;
    const { activeCustomerGateway, betaConnection, betaActiveAddress, betaStandbyAddress } = await first.outputs();
    const existing = {
      gateway: { id, addresses, vpcCidr: cidrBlock },
      ...{ activeCustomerGateway, betaConnection, betaActiveAddress, betaStandbyAddress },
    };
    const { beta_psk_active, beta_psk_standby } = KEYS;
    const variables = { beta_psk_active, beta_psk_standby, gamma_key: "psk-of-gamma" };
    relay = await relayTo(lab.box.sshPort);
    // The box goes out of its reach before it is destroyed.
    const ssh = { ...sshTo(lab), port: (relay.address() as AddressInfo).port, timeout: "20s", boxMayBeGone: true };
    second = deployment("adopted", adoptedThings(ssh, existing), variables);
    const text = await second.apply();
    for (const name of ["beta", "gamma"]) expect(text).toContain(`connection ${name}: both tunnels are up`);
  });

  it("has every tunnel of every connection up at both ends", async () => {
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
    expect([...(await suites()).keys()].sort()).toEqual(Object.keys(SAMPLE).sort());
    expect([...negotiatedSuites(await branch.listSas()).keys()].sort()).toEqual(["branch-1", "branch-2"]);
    const { connections } = place.cloud.state();
    expect(connections.map(({ name }) => name).sort()).toEqual(["alpha", "beta", "branch", "gamma"]);
    const { tunnels } = await cloudEnd.report();
    expect(Object.values(tunnels).map(({ status }) => status)).toEqual(Array(8).fill("ipsec_sa_established"));
    const encapsulated = (name: string) =>
      connections
        .find((connection) => connection.name === name)!
        .tunnels.flatMap(({ tunnelId }) => tunnels[tunnelId].sas.flatMap(({ children }) => children))
        .map((child) => child.encapsulated);
    expect(new Set(encapsulated("alpha"))).toEqual(new Set([true]));
    expect(new Set(encapsulated("branch"))).toEqual(new Set([false]));
    expect(place.cloud.errors).toEqual([]);
  });

  it("asked for the changes of one gateway one after another", () => {
    // A gateway that is still busy with the change before refuses the next one, and the provider asks again.
    const writes = place.cloud.calls.filter(({ action }) => /^Create(VpnConnection|Vpn.*RouteEntry)$/.test(action));
    for (const { id } of place.cloud.state().gateways) {
      const wished = writes
        .filter(({ parameters }) => parameters.VpnGatewayId === id)
        .map(({ parameters: { Name, NextHop, RouteSource, RouteDest } }) =>
          [Name, NextHop, RouteSource, RouteDest].join(" "),
        );
      const turns = wished.filter((wish, index) => wish !== wished[index - 1]);
      expect(turns).toEqual([...new Set(turns)]);
    }
  });

  it("carries traffic between each pair of blocks, by destination and by policy, for each connection and site", async () => {
    const active = async () => Object.values((await cloudEnd.report()).tunnels).filter(({ role }) => role === "master");
    const carries = ({ sas }: TunnelReport) =>
      (["bytesIn", "bytesOut"] as const).every((way) =>
        // Of two IKE_SAs, where both ends set the tunnel up at once, either end may send by another.
        sas.some(({ children }) => children.some((child) => child[way] > 0)),
      );
    // A host that is busy enough makes an agent use the standby tunnel for a moment.
    for (const deadline = Date.now() + 180_000; ; await delay(1000)) {
      for (const pair of PAIRS) await reachEachOther(lab, pair);
      await reachEachOther(lab, [BRANCH.server, ECS.address], "branch");
      const idle = (await active()).filter((tunnel) => !carries(tunnel)).map(({ connection }) => connection);
      if (idle.length === 0) break;
      if (Date.now() > deadline) {
        const { stdout } = await lab.box.execute("dual-tunnel-vpn status");
        throw new Error(`the active tunnel carries nothing: ${idle.join(", ")}\n${stdout}`);
      }
    }
  });

  it("plans no change after either deployment", async () => {
    expect(await first.pendingChanges()).toBeUndefined();
    expect(await second.pendingChanges()).toBeUndefined();
  });

  it("gave the cloud's resources the names, tags, group, bandwidth, network type and charge type that were asked for", async () => {
    const { VpnGateways } = await make("DescribeVpnGateways", {});
    const gateways = (VpnGateways as { VpnGateway: Record<string, unknown>[] }).VpnGateway;
    const gateway = (name: string) => gateways.find(({ Name }) => Name === name);
    expect(gateway("alpha")).toMatchObject({
      Description: "the first gateway",
      Spec: "100M",
      NetworkType: "public",
      ChargeType: "PostpayByFlow",
      ResourceGroupId: "rg-shapes",
      Tags: { Tag: expect.arrayContaining(Object.entries(TAGS).map(([Key, Value]) => ({ Key, Value }))) as unknown },
    });
    expect(gateway("second.gateway")).toMatchObject({ Spec: "200M", NetworkType: "private", ChargeType: "Prepay" });
    const { CustomerGateways } = await make("DescribeCustomerGateways", {});
    const { CustomerGateway } = CustomerGateways as { CustomerGateway: Record<string, unknown>[] };
    expect(CustomerGateway.map(({ Name }) => Name).sort()).toEqual(["alpha-1", "alpha-2", "branch-1"]);
  });

  it("routes by destination or by policy in the cloud, one route for each block or pair of blocks", async () => {
    const { connections, routes } = place.cloud.state();
    const routesOf = (name: string) => {
      const { id } = connections.find((connection) => connection.name === name)!;
      return routes.filter((route) => route.connectionId === id);
    };
    const byDestination = (name: string) => routesOf(name).map(({ source, destination }) => [source, destination]);
    expect(byDestination("alpha").sort()).toEqual([
      [undefined, "10.40.0.0/16"],
      [undefined, "172.16.0.0/16"],
    ]);
    expect(byDestination("branch")).toEqual([[undefined, BRANCH.network]]);
    expect(
      routesOf("beta")
        .map(({ source, destination }) => `${source} to ${destination}`)
        .sort(),
    ).toEqual([
      "10.64.10.0/24 to 10.40.0.0/16",
      "10.64.10.0/24 to 172.16.0.0/16",
      "10.64.20.0/24 to 10.40.0.0/16",
      "10.64.20.0/24 to 172.16.0.0/16",
    ]);
  });

  it("keeps the connections of one box apart: files, interfaces, numbers, tables and services by name", async () => {
    const names = ["alpha", "beta", "gamma"];
    const both = names.flatMap((name) => [`${name}-1`, `${name}-2`]);
    const list = async (command: string) => (await lab.box.succeed(command)).trim().split("\n").sort();
    expect(await list("ls /etc/swanctl/conf.d")).toEqual(
      both.flatMap((tunnel) => [`${tunnel}.conf`, `${tunnel}.secrets.conf`]).sort(),
    );
    const links = JSON.parse(await lab.box.succeed("ip -j -d link show type xfrm")) as {
      ifname?: string;
      linkinfo: { info_data: { if_id: string } };
    }[];
    const present = links.filter(({ ifname }) => ifname !== undefined);
    expect(present.map(({ ifname }) => ifname).sort()).toEqual(both);
    expect(new Set(present.map(({ linkinfo }) => linkinfo.info_data.if_id)).size).toBe(both.length);
    // alpha and beta have two uplinks, gamma has one.
    const tables = names.flatMap((name) => [derivedNumber(name, 1), derivedNumber(name, 2)]).slice(0, 5);
    const rules = await list("ip -4 rule | sed -n 's/.* fwmark .* lookup \\([0-9]*\\).*/\\1/p'");
    expect(rules.map(Number).sort()).toEqual(tables.sort());
    expect(await list("ls /etc/dual-tunnel-vpn | grep -v json")).toEqual(names);
    await lab.box.succeed(`systemctl is-active ${names.map((name) => `dual-tunnel-vpn-agent@${name}`).join(" ")}`);
  });

  it("negotiates exactly the algorithms that were asked for, with PFS at a rekey or without", async () => {
    const found = await rekeyed(Object.keys(SAMPLE));
    for (const [tunnel, wanted] of Object.entries(SAMPLE)) {
      expect({ tunnel, ...found.get(tunnel) }).toMatchObject({ tunnel, ...expectedSuite(wanted) });
    }
  });

  it("authenticates both tunnels by keys with every character that Alibaba accepts", async () => {
    expect([...PSK_PUNCTUATION].every((character) => EVERY_CHARACTER.includes(character))).toBe(true);
    for (const [number, key] of [KEYS.alpha_psk_active, KEYS.alpha_psk_standby].entries()) {
      const file = await lab.box.succeed(`cat /etc/swanctl/conf.d/alpha-${number + 1}.secrets.conf`);
      expect(Buffer.from(/secret = 0s(\S+)/.exec(file)![1], "base64").toString()).toBe(key);
      const inCloud = place.cloud.state().connections.find(({ name }) => name === "alpha")!.tunnels[number];
      expect(inCloud.psk).toBe(key);
    }
  });

  it("refuses a connection that clashes with another one of the box, before any change there", async () => {
    // All tunnels were rekeyed at once: on a host that is busy enough with it agents use the standby tunnels for a while.
    const listing = async () => (await listingOf(lab.box)).replace(/( dev [a-z]+)-[12]( proto 157 )/g, "$1$2");
    const before = await listing();
    const sas = await suites();
    const twin = nameWithNumbersOf("alpha");
    const clashes = deployment(
      "clashing",
      clashing(sshTo(lab), {
        [twin]: { vpcCidr: "10.97.0.0/16", addresses: ["192.0.2.201", "192.0.2.202"] },
        overlap: { vpcCidr: "10.64.0.0/16", addresses: ["192.0.2.203", "192.0.2.204"] },
      }),
    );
    const text = (await clashes.failToApply()).replace(/\s+/g, " ");
    expect(text).toContain(
      `the numbers derived from the name ${twin} clash with those of connection alpha on this box`,
    );
    expect(text).toMatch(/the VPC's block 10\.64\.0\.0\/16 overlaps 10\.64\.\d0\.0\/24 of connection beta on this box/);
    expect(differences(before, await listing())).toEqual([]);
    expect(await suites()).toEqual(sas);
  });

  it("changes the algorithms of both tunnels of one connection and leaves the others' SAs alone", async () => {
    const before = await suites();
    alpha = CHANGED;
    await first.apply();
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status alpha");
    const found = await rekeyed(Object.keys(CHANGED));
    for (const [tunnel, wanted] of Object.entries(CHANGED)) {
      expect({ tunnel, ...found.get(tunnel) }).toMatchObject({ tunnel, ...expectedSuite(wanted) });
    }
    for (const tunnel of Object.keys(SAMPLE).filter((name) => !name.startsWith("alpha"))) {
      expect({ tunnel, ...found.get(tunnel) }).toEqual({ tunnel, ...before.get(tunnel) });
    }
    await reachEachOther(lab, FIRST_PAIR);
  });

  it("destroys what it adopted with neither the gateway nor the existing connection, out of the box's reach", async () => {
    const before = await suites();
    relay.close();
    const text = await second.destroy();
    expect(text).toMatch(/Destroy complete/);
    const commands = [...text.matchAll(/is not gone, run this there: (sudo \S+ uninstall \w+)$/gm)].map(
      ([, each]) => each,
    );
    expect(commands.sort()).toEqual(
      ["beta", "gamma"].map((name) => `sudo /usr/local/sbin/dual-tunnel-vpn uninstall ${name}`),
    );
    for (const command of commands) await lab.box.succeed(`runuser -u admin -- ${command}`, { timeoutS: 60 });
    const { gateways, connections } = place.cloud.state();
    expect(gateways).toHaveLength(3);
    expect(connections.map(({ name }) => name).sort()).toEqual(["alpha", "beta", "branch"]);
    const after = await suites();
    expect([...after]).toEqual([...before].filter(([tunnel]) => tunnel.startsWith("alpha")));
    await reachEachOther(lab, FIRST_PAIR);
  });

  it("forgets a gateway that is paid for in advance when everything is destroyed, and leaves the box clean", async () => {
    const text = await first.destroy();
    expect(text).toMatch(/Destroy complete/);
    const { gateways, connections } = place.cloud.state();
    expect(connections).toEqual([]);
    expect(gateways.map(({ vpcCidrBlock }) => vpcCidrBlock).sort()).toEqual(["10.64.0.0/16", "10.96.0.0/16"]);
    await lab.box.fail("test -e /usr/local/sbin/dual-tunnel-vpn || ip link show type xfrm | grep .");
    expect(place.cloud.errors).toEqual([]);
  });
});

/** Leads to a port of this host, until it is closed. */
async function relayTo(port: number): Promise<Server> {
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A name from which the same numbers derive as from another one. */
function nameWithNumbersOf(name: string): string {
  for (let count = 1; ; count++) {
    const candidate = `twin${count}`;
    if (derivedNumber(candidate, 1) === derivedNumber(name, 1)) return candidate;
  }
}
