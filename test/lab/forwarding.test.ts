// What the box forwards, and what it does not: between the VPC and the data center by the tunnels, and whatever it
// forwarded before us; nothing in clear, at any moment, and nothing else that we made possible.
import { WorldCloudEnd } from "../../lab/cloud-end";
import { BOX_LISTING_SCRIPT, differences } from "../../lab/box/listing";
import { Lab, type NamespaceName } from "../../lab/machines/lab";
import { quote } from "../../lab/machines/shell";
import { DATA_CENTER_CIDR, ECS, INTERNET, LAN, UPLINKS, VPC_CIDR } from "../../lab/network";
import { cloudState, install } from "../../lab/box/staged-connection";

jest.setTimeout(900_000);

/** An address that is in none of the site's blocks, on the instance in the VPC. */
const STRANGER = "203.0.113.9";
/** A host on the internet. */
const ELSEWHERE = INTERNET.nat1.router;
/** A host on the network of the first uplink. */
const NEIGHBOUR = UPLINKS[0].gateway;

/** What is counted where it arrives: name, and what matches. */
const SEEN: Partial<Record<NamespaceName, Record<string, string>>> = {
  nat1: {
    clear: `iifname "uplink1" ip daddr ${VPC_CIDR}`,
    outwards: `iifname "uplink1" ip saddr ${LAN.server} ip daddr ${NEIGHBOUR} icmp type echo-request`,
    elsewhere: `iifname "uplink1" ip daddr ${ELSEWHERE}`,
  },
  nat2: { clear: `iifname "uplink2" ip daddr ${VPC_CIDR}` },
  dc: { inwards: `ip saddr ${NEIGHBOUR} icmp type echo-request`, stranger: `ip saddr ${STRANGER}` },
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

  const listing = () => lab.box.succeed(`sh -c ${quote(BOX_LISTING_SCRIPT)}`, { timeoutS: 180 });

  async function seen(namespace: NamespaceName, counter: string): Promise<number> {
    const text = await lab.in(namespace, `nft list counter ip seen ${counter}`);
    return Number(/packets (\d+)/.exec(text)?.[1]);
  }

  /** How many of three pings arrive where they are counted. */
  async function arriving(from: NamespaceName, ping: string, at: NamespaceName, counter: string): Promise<number> {
    const before = await seen(at, counter);
    await lab.namespace(from).execute(`ping -q -c 3 -i 0.2 -W 1 ${ping}`);
    return (await seen(at, counter)) - before;
  }

  const outwards = () => arriving("dc", NEIGHBOUR, "nat1", "outwards");
  const inwards = () => arriving("nat1", LAN.server, "dc", "inwards");

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
    await lab.in("nat1", `ip route add ${LAN.network} via ${UPLINKS[0].address}`);
    await lab.in("dc", `ip route add ${NEIGHBOUR} via ${LAN.box}`);
    await lab.in("ecs", `ip address add ${STRANGER}/32 dev lo`);
    pristine = await listing();
    await installed();
    // The gateway's table for the connection leads into the tunnel that carries.
    const table = `$(ip rule | sed -n 's,.* to ${DATA_CENTER_CIDR} lookup ,,p')`;
    await lab.in("cloud", `ip rule add pref 800 iif vpc to ${ELSEWHERE} lookup ${table}`);
  }, 900_000);

  afterAll(() => lab.stop());

  it("between the VPC and the data center", passes);

  it("nothing from the uplinks' network to the LAN, nor from the LAN to it", async () => {
    expect({ inwards: await inwards(), outwards: await outwards() }).toEqual({ inwards: 0, outwards: 0 });
  });

  it("nothing from the cloud to elsewhere, nor from elsewhere by the cloud", async () => {
    await lab.box.succeed("nft -f -", {
      stdin: counting({ stranger: `ip saddr ${STRANGER}` }, "input"),
    });
    expect({
      elsewhere: await arriving("ecs", ELSEWHERE, "nat1", "elsewhere"),
      stranger: await arriving("ecs", `-I ${STRANGER} ${LAN.server}`, "dc", "stranger"),
    }).toEqual({ elsewhere: 0, stranger: 0 });
    await lab.namespace("ecs").execute(`ping -q -c 3 -i 0.2 -W 1 -I ${STRANGER} ${LAN.box}`);
    expect(await lab.box.succeed("nft list counter ip seen stranger")).toMatch(/packets 0 /);
    await lab.box.succeed("nft delete table ip seen");
    expect(await lab.box.succeed("dual-tunnel-vpn status")).toMatch(/dropped: [1-9]\d* packets from the cloud/);
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
    expect({ inwards: await inwards(), outwards: await outwards() }).toEqual({ inwards: 0, outwards: 0 });
  });

  it("everything as soon as somebody else asks for it, and the VPC's when nobody does any more", async () => {
    await lab.box.succeed("sysctl -w net.ipv4.ip_forward=1");
    await lab.namespace("dc").waitUntilSucceeds(`ping -q -c 1 -W 1 ${NEIGHBOUR}`);
    await passes();
    await lab.box.succeed("sysctl -w net.ipv4.ip_forward=0");
    await passes();
    await lab.box.waitUntilSucceeds("nft list table ip dual_tunnel_vpn");
    expect({ inwards: await inwards(), outwards: await outwards() }).toEqual({ inwards: 0, outwards: 0 });
  });

  it("as before once the connection is removed", async () => {
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    expect(differences(pristine, await listing())).toEqual([]);
  });

  it("what it forwarded before, with the connection and without it", async () => {
    await lab.box.succeed("sysctl -w net.ipv4.ip_forward=1");
    const before = await listing();
    expect({ inwards: await inwards(), outwards: await outwards() }).toEqual({ inwards: 3, outwards: 3 });
    await installed();
    await passes();
    expect({ inwards: await inwards(), outwards: await outwards() }).toEqual({ inwards: 3, outwards: 3 });
    expect({
      elsewhere: await arriving("ecs", ELSEWHERE, "nat1", "elsewhere"),
      stranger: await arriving("ecs", `-I ${STRANGER} ${LAN.server}`, "dc", "stranger"),
    }).toEqual({ elsewhere: 0, stranger: 0 });
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    expect({ inwards: await inwards(), outwards: await outwards() }).toEqual({ inwards: 3, outwards: 3 });
    expect(differences(before, await listing())).toEqual([]);
  });
});
