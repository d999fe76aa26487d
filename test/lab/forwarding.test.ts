// What the box forwards, and what it does not: between the VPC and the data center by the tunnels, and whatever it
// forwarded before us; nothing in clear, at any moment, and nothing else that we made possible.
import { WorldCloudEnd } from "../../lab/cloud-end";
import { BOX_LISTING_SCRIPT, differences } from "../../lab/box/listing";
import { Lab, type NamespaceName } from "../../lab/machines/lab";
import { quote } from "../../lab/machines/shell";
import { DATA_CENTER_CIDR, ECS, INTERNET, LAN, UPLINKS, VPC_CIDR } from "../../lab/network";
import { cloudState, install } from "../../lab/box/staged-connection";
import { Strays, type Stray, type Ways } from "../../lab/traffic/strays";
import { MACS } from "../../lab/world/network-env";

jest.setTimeout(900_000);

/** An address that is in none of the site's blocks, on the instance in the VPC. */
const STRANGER = "203.0.113.9";
/** An address of nobody here. */
const OFF_PATH = "203.0.113.77";
/** A host on the internet. */
const ELSEWHERE = INTERNET.nat1.router;
/** A host on the network of the first uplink. */
const NEIGHBOUR = UPLINKS[0].gateway;

/** What the tunnels never carry, whatever else the box forwards. */
const NEVER: readonly Stray[] = [
  { what: "uplink 1 to the VPC as the LAN's server", from: "nat1", source: LAN.server, destination: ECS.address },
  { what: "uplink 1 to the VPC as a stranger", from: "nat1", source: OFF_PATH, destination: ECS.address },
  { what: "uplink 2 to the VPC as the LAN's server", from: "nat2", source: LAN.server, destination: ECS.address },
  { what: "the LAN to the VPC as a stranger", from: "dc", source: OFF_PATH, destination: ECS.address },
  { what: "the VPC to the LAN as a stranger", from: "ecs", source: STRANGER, destination: LAN.server },
  { what: "the VPC to elsewhere", from: "ecs", source: ECS.address, destination: ELSEWHERE },
  { what: "the VPC to elsewhere as a stranger", from: "ecs", source: STRANGER, destination: ELSEWHERE },
];

/** What passes where others have the box forward, and only there. */
const AS_OTHERS_WANT: readonly Stray[] = [
  { what: "uplink 1 to the LAN", from: "nat1", source: NEIGHBOUR, destination: LAN.server },
  { what: "uplink 1 to the LAN as the VPC's instance", from: "nat1", source: ECS.address, destination: LAN.server },
  { what: "uplink 1 to the LAN as a stranger", from: "nat1", source: OFF_PATH, destination: LAN.server },
  { what: "uplink 1 to uplink 2", from: "nat1", source: NEIGHBOUR, destination: UPLINKS[1].gateway },
  { what: "the LAN to uplink 1", from: "dc", source: LAN.server, destination: NEIGHBOUR },
  { what: "the LAN to elsewhere", from: "dc", source: LAN.server, destination: ELSEWHERE },
];

/** What is counted where it arrives: name, and what matches. */
const SEEN: Partial<Record<NamespaceName, Record<string, string>>> = {
  nat1: { clear: `iifname "uplink1" ip daddr ${VPC_CIDR}` },
  nat2: { clear: `iifname "uplink2" ip daddr ${VPC_CIDR}` },
};

const counting = (counters: Record<string, string>, hook = "prerouting") =>
  [
    "table ip seen {",
    ...Object.keys(counters).map((name) => `counter ${name} { }`),
    "chain seen {",
    `type filter hook ${hook} priority ${hook === "input" ? 0 : -350}`,
    ...Object.entries(counters).map(([name, match]) => `${match} counter name ${name}`),
    "}",
    "}",
    "",
  ].join("\n");

describe("the box forwards", () => {
  const lab = new Lab({ packages: true });
  let cloud: WorldCloudEnd;
  let pristine: string;
  let strays: Strays;

  const listing = () => lab.box.succeed(`sh -c ${quote(BOX_LISTING_SCRIPT)}`, { timeoutS: 180 });

  async function seen(namespace: NamespaceName, counter: string): Promise<number> {
    const text = await lab.in(namespace, `nft list counter ip seen ${counter}`);
    return Number(/packets (\d+)/.exec(text)?.[1]);
  }

  async function installed(): Promise<void> {
    const { status, stdout } = await install(lab);
    if (status !== 0) throw new Error(`${stdout}\n${await cloud.log(40)}`);
  }

  /** Traffic between the VPC and the data center, begun by either. */
  async function passes(): Promise<void> {
    await lab.namespace("dc").waitUntilSucceeds(`ping -q -c 2 -W 2 ${ECS.address}`, { timeoutS: 90 });
    await lab.namespace("ecs").waitUntilSucceeds(`ping -q -c 2 -W 2 ${LAN.server}`);
    await lab.namespace("ecs").waitUntilSucceeds(`ping -q -c 2 -W 2 ${LAN.box}`);
  }

  /** All that others want to be forwarded arrives; what else has since it was last asked. */
  async function beside(): Promise<string[]> {
    const all = AS_OTHERS_WANT.map(({ what }) => what);
    const arrived = await strays.waitFor(all);
    expect(arrived).toEqual(expect.arrayContaining(all));
    return arrived.filter((what) => !all.includes(what));
  }

  /** Does something while a host on the LAN sends to the VPC, until that arrives again; what left in clear meanwhile. */
  async function inClear(what: () => Promise<unknown>): Promise<number> {
    const before = (await seen("nat1", "clear")) + (await seen("nat2", "clear"));
    const pid = await lab.in("dc", `setsid ping -q -i 0.05 ${ECS.address} >/dev/null 2>&1 & echo $!`);
    try {
      await what();
      await passes();
    } finally {
      await lab.in("dc", `kill ${pid}`);
    }
    return (await seen("nat1", "clear")) + (await seen("nat2", "clear")) - before;
  }

  beforeAll(async () => {
    await lab.start();
    cloud = new WorldCloudEnd(lab);
    await cloud.start();
    await cloud.apply(cloudState());
    for (const [name, counters] of Object.entries(SEEN)) {
      await lab.in(name as NamespaceName, "nft -f -", { stdin: counting(counters) });
    }
    await lab.in("ecs", `ip address add ${STRANGER}/32 dev lo`);
    const router = /ether (\S+)/.exec(await lab.in("cloud", "ip -o link show vpc"))?.[1] ?? "";
    const ways: Ways = {
      nat1: { interface: "uplink1", mac: MACS.box.uplink1 },
      nat2: { interface: "uplink2", mac: MACS.box.uplink2 },
      dc: { interface: "lan", mac: MACS.box.lan },
      ecs: { interface: "eth0", mac: router },
    };
    strays = await Strays.start(lab, ways, [...NEVER, ...AS_OTHERS_WANT]);
    pristine = await listing();
    await installed();
    // The gateway's table for the connection leads into the tunnel that carries.
    const table = `$(ip rule | sed -n 's,.* to ${DATA_CENTER_CIDR} lookup ,,p')`;
    await lab.in("cloud", `ip rule add pref 800 iif vpc to ${ELSEWHERE} lookup ${table}`);
  }, 900_000);

  afterAll(() => lab.stop());

  afterEach(async () => {
    // What passes where others want it to is each test's own to expect.
    expect(await strays.arrived()).toEqual({});
  });

  it("between the VPC and the data center, and nothing else while that was installed", passes);

  it("nothing that comes by a tunnel and is not the VPC's, to itself neither", async () => {
    await lab.box.succeed("nft -f -", {
      stdin: counting({ stranger: `ip saddr ${STRANGER}` }, "input"),
    });
    await lab.namespace("ecs").execute(`ping -q -c 3 -i 0.2 -W 1 -I ${STRANGER} ${LAN.box}`);
    expect(await lab.box.succeed("nft list counter ip seen stranger")).toMatch(/packets 0 /);
    await lab.box.succeed("nft delete table ip seen");
    // What is sent reaches the box.
    const told = await lab.box.succeed("dual-tunnel-vpn status");
    for (const way of ["from the cloud", "to the cloud", "beside the tunnels"]) {
      expect(told).toMatch(new RegExp(`dropped: [1-9]\\d* packets.* ${way}`));
    }
  });

  it("nothing else while traffic moves to the other tunnel and back", async () => {
    await lab.cut("uplink1");
    await passes();
    await lab.restore("uplink1");
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status", { timeoutS: 90 });
    await passes();
  });

  it("nothing in clear while the agent is stopped or killed and the tunnels' interfaces vanish", async () => {
    const vanish = "ip link del singapore-1; ip link del singapore-2; sleep 1";
    const agent = "dual-tunnel-vpn-agent@singapore";
    const stopped = () => lab.box.succeed(`systemctl stop ${agent}; ${vanish}; systemctl start ${agent}`);
    expect(await inClear(stopped)).toBe(0);
    const killed = () => lab.box.succeed(`systemctl kill -s KILL ${agent}; ${vanish}`);
    expect(await inClear(killed)).toBe(0);
  });

  it("nothing in clear while it boots", async () => {
    expect(await inClear(() => lab.box.reboot())).toBe(0);
  });

  it("everything as soon as somebody else asks for it, and the VPC's when nobody does any more", async () => {
    await lab.box.succeed("sysctl -w net.ipv4.ip_forward=1");
    expect(await beside()).toEqual([]);
    await passes();
    await lab.box.succeed("sysctl -w net.ipv4.ip_forward=0");
    await passes();
    await lab.box.waitUntilSucceeds("nft list table ip dual_tunnel_vpn");
    await strays.arrived();
  });

  it("as before once the connection is removed", async () => {
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    expect(differences(pristine, await listing())).toEqual([]);
  });

  it("what it forwarded before, with the connection and without it", async () => {
    await lab.box.succeed("sysctl -w net.ipv4.ip_forward=1");
    const before = await listing();
    // Without us the VPC's addresses are nobody's, and go by the first uplink.
    await beside();
    await installed();
    await passes();
    await strays.arrived();
    expect(await beside()).toEqual([]);
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    await beside();
    expect(differences(before, await listing())).toEqual([]);
    await lab.box.succeed("sysctl -w net.ipv4.ip_forward=0");
    await strays.arrived();
  });
});
