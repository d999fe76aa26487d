// What the box forwards, and what it does not: between the VPC and the data center by the tunnels, and whatever it
// forwarded before us; nothing in clear, at any moment, and nothing else that we made possible.
import { WorldCloudEnd } from "../../lab/cloud-end";
import { differences, listingOf } from "../../lab/box/listing";
import { Lab, type NamespaceName } from "../../lab/machines/lab";
import { ECS, LAN, VPC_CIDR } from "../../lab/network";
import { cloudState, install } from "../../lab/box/staged-connection";
import { AS_OTHERS_WANT, startStrays, STRANGER } from "../../lab/traffic/foreign-packets";
import type { Strays } from "../../lab/traffic/strays";

jest.setTimeout(900_000);

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

  const listing = () => listingOf(lab.box);

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
    strays = await startStrays(lab);
    pristine = await listing();
    await installed();
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
