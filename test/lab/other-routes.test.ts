// A box with routes, rules and networks of its own: what would keep traffic out of the tunnels is refused before any
// change, or told as soon as it comes; nothing of it is replaced; and charon's packets take the way that the agent chose.
import { WorldCloudEnd } from "../../lab/cloud-end";
import { Lab } from "../../lab/machines/lab";
import { ECS, IPSEC_ADDRESSES, LAN, UPLINKS, VPC_CIDR } from "../../lab/network";
import { cloudState, install, type Staged } from "../../lab/box/staged-connection";
import { says } from "./on-a-box";

jest.setTimeout(600_000);

const [FIRST, SECOND] = UPLINKS;
/** Where a leased line to the VPC would begin: a host on the LAN. */
const LEASED_LINE = LAN.server;

const SOURCE_RULES = UPLINKS.flatMap(({ address, gateway, number }) => [
  `ip route add default via ${gateway} table ${100 + number}`,
  `ip rule add from ${address} lookup ${100 + number}`,
]).join("; ");

/** nft's script for a chain that drops what has these bits in its mark, as a Kubernetes node's does with 0x8000. */
const dropping = (bits: string) =>
  `table ip kube { chain firewall { type filter hook output priority 0; meta mark & ${bits} == ${bits} drop; }; }`;

describe("on a box with other routes and rules", () => {
  const lab = new Lab({ packages: true });
  let cloud: WorldCloudEnd;
  let before: string;

  const network = () =>
    lab.box.succeed("ip -o -4 addr | sed 's/valid_lft.*//'; ip rule; ip route show table all; nft list ruleset");

  async function status(): Promise<{ readonly status: number; readonly stdout: string }> {
    return lab.box.execute("dual-tunnel-vpn status singapore", { timeoutS: 60 });
  }

  const HEALTHY = /^ {2}traffic to the VPC flows by tunnel 1 \(active\); if that fails, by tunnel 2/m;
  const healthy = () => says(lab, HEALTHY, 60, 0);

  /** Waits until what charon sends for tunnel 1 leaves by an uplink. */
  const charonLeavesBy = (uplink: (typeof UPLINKS)[number], seconds = 5) =>
    lab.box.waitUntilSucceeds(
      `ip route get ${IPSEC_ADDRESSES[0]} from ${FIRST.address} ipproto udp sport 4500 dport 4500 | grep -q 'via ${uplink.gateway} '`,
      { timeoutS: seconds, intervalMs: 100 },
    );

  beforeAll(async () => {
    await lab.start();
    cloud = new WorldCloudEnd(lab);
    await cloud.start();
    await cloud.apply(cloudState());
    before = await network();
  }, 600_000);

  afterAll(() => lab.stop());

  it.each<[string, string, string, RegExp, Staged]>([
    [
      "a network of its own inside the VPC's block",
      "ip link add br-x type bridge && ip addr add 192.168.0.1/20 dev br-x && ip link set br-x up",
      "ip link del br-x",
      /the interface br-x of this box has the address 192\.168\.0\.1\/20, inside the VPC's block 192\.168\.0\.0\/16/,
      {},
    ],
    [
      "a leased line to the VPC with a better metric",
      `ip route add ${VPC_CIDR} via ${LEASED_LINE} metric 50`,
      `ip route del ${VPC_CIDR} metric 50`,
      /a route to 192\.168\.0\.0\/16 via \S+ by \S+ with metric 50, which comes before the connection's of 100: .*routeMetric/,
      {},
    ],
    [
      "a route to the VPC with the connection's metric",
      `ip route add ${VPC_CIDR} via ${LEASED_LINE} proto static metric 100`,
      `ip route del ${VPC_CIDR} metric 100`,
      /with metric 100, which the connection's route would replace: .*routeMetric/,
      {},
    ],
    [
      "a route to a part of the VPC",
      `ip route add 192.168.64.0/18 via ${LEASED_LINE} metric 4000`,
      "ip route del 192.168.64.0/18",
      /a route to 192\.168\.64\.0\/18 via \S+ by \S+, inside the VPC's block/,
      {},
    ],
    [
      "a rule that takes the LAN's packets before table main",
      `ip route add default via ${SECOND.gateway} table 102; ip rule add from ${LAN.network} lookup 102`,
      `ip rule del from ${LAN.network} lookup 102; ip route flush table 102`,
      /a rule of this box \(`ip rule`: \d+: from 172\.16\.3\.0\/24 lookup 102\) comes before table main/,
      {},
    ],
    [
      "a packet filter that drops by a bit of the probes' marks",
      `nft '${dropping("0x8000")}'`,
      "nft delete table ip kube",
      /chain firewall of nftables' table ip kube of this box drops packets by their firewall mark/,
      { marks: [0x9000, 0x9001] },
    ],
  ])("refuses %s, and leaves all as it was", async (_, make, undo, sentence, staged) => {
    await lab.box.succeed(make);
    try {
      const there = await network();
      const { status: exit, stdout } = await install(lab, staged);
      expect(stdout.trimEnd().split("\n").at(-1)).toMatch(sentence);
      expect(exit).not.toBe(0);
      expect(await network()).toBe(there);
    } finally {
      await lab.box.succeed(undo);
    }
    expect(await network()).toBe(before);
  });

  it("refuses an uplink in a VRF", async () => {
    const device = (await lab.box.succeed(`ip -o -4 addr | awk '/${FIRST.address}/ { print $2 }'`)).trim();
    await lab.box.succeed(
      `ip link add red type vrf table 10 && ip link set red up && ip link set ${device} master red`,
    );
    try {
      const { stdout } = await install(lab);
      expect(stdout).toMatch(new RegExp(`uplink 1's interface ${device} belongs to the VRF red on this box`));
    } finally {
      await lab.box.succeed(`ip link set ${device} nomaster; ip link del red`);
      await lab.box.succeed(`ip route replace default via ${FIRST.gateway} dev ${device} || true`);
    }
  });

  it("installs beside rules by source, a worse route to the VPC and a drop by other marks, and is healthy", async () => {
    await lab.box.succeed(
      `${SOURCE_RULES}; ip route add ${VPC_CIDR} via ${LEASED_LINE} metric 5000; nft '${dropping("0x8000")}'`,
    );
    before = await network();
    const { status: exit, stdout } = await install(lab);
    expect({ exit, stdout }).toMatchObject({ exit: 0 });
    await healthy();
    expect((await status()).stdout).toMatch(/^singapore: healthy\n {2}traffic to the VPC flows by tunnel 1/);
  });

  it("reaches the VPC from the box itself, with its address on the LAN", async () => {
    await lab.box.succeed(`ping -q -c 2 -W 10 ${ECS.address}`);
    expect(await lab.box.succeed(`ip route get ${ECS.address}`)).toMatch(` src ${LAN.box} `);
    const device = (await lab.box.succeed(`ip -o -4 addr | awk '/${LAN.box}/ { print $2 }'`)).trim();
    await lab.box.succeed(`ip addr add 172.16.3.77/32 dev ${device}; ip addr del ${LAN.box}/24 dev ${device}`);
    try {
      await lab.box.waitUntilSucceeds(`ip route get ${ECS.address} | grep -q ' src 172.16.3.77 '`, { timeoutS: 5 });
    } finally {
      await lab.box.succeed(`ip addr add ${LAN.box}/24 brd + dev ${device}; ip addr del 172.16.3.77/32 dev ${device}`);
    }
    await lab.box.waitUntilSucceeds(`ping -q -c 1 -W 2 ${ECS.address}`, { timeoutS: 10 });
  });

  it("moves charon's packets although rules by source are there, those too that came later and first", async () => {
    await charonLeavesBy(FIRST);
    const rules = await lab.box.succeed("ip rule");
    const priority = new RegExp(`^(\\d+):\\s+from ${FIRST.address} lookup 101`, "m").exec(rules)?.[1];
    await lab.box.succeed(`ip rule del from ${FIRST.address}; ip rule add from ${FIRST.address} lookup 101`);
    await lab.cut("uplink1");
    try {
      await charonLeavesBy(SECOND, 10);
      await lab.namespace("dc").waitUntilSucceeds(`ping -q -c 2 -W 1 ${ECS.address}`, { timeoutS: 10 });
    } finally {
      await lab.restore("uplink1");
    }
    await charonLeavesBy(FIRST, 60);
    await healthy();
    await lab.box.succeed(
      `ip rule del from ${FIRST.address}; ip rule add from ${FIRST.address} lookup 101 priority ${priority}`,
    );
  });

  it("says that a rule before all others misleads charon's packets", async () => {
    await lab.box.succeed(`ip rule add from ${SECOND.address} lookup 101 priority 0`);
    try {
      await says(
        lab,
        /what charon sends from 172\.16\.2\.57 to 192\.0\.2\.10 takes the route to everywhere via 172\.16\.1\.253/,
      );
    } finally {
      await lab.box.succeed(`ip rule del from ${SECOND.address} lookup 101 priority 0`);
    }
    await healthy();
  });

  it.each<[string, string, string, RegExp]>([
    [
      "a network inside the VPC's block",
      "ip link add br-x type bridge && ip addr add 192.168.0.1/20 dev br-x && ip link set br-x up",
      "ip link del br-x",
      /what is for 192\.168\.0\.1 in the VPC from \S+ leaves by lo and not by a tunnel/,
    ],
    [
      "a leased line with a better metric",
      `ip route add ${VPC_CIDR} via ${LEASED_LINE} metric 50`,
      `ip route del ${VPC_CIDR} metric 50`,
      /what is for 192\.168\.0\.1 in the VPC from \S+ leaves by \S+ and not by a tunnel \(the route to 192\.168\.0\.0\/16 via/,
    ],
    [
      "a route to a part of the VPC",
      `ip route add 192.168.64.0/18 via ${LEASED_LINE} metric 4000`,
      "ip route del 192.168.64.0/18",
      /what is for 192\.168\.64\.1 in the VPC from \S+ leaves by/,
    ],
    [
      "a rule that takes the LAN's packets",
      `ip rule add from ${LAN.network} lookup 102`,
      `ip rule del from ${LAN.network} lookup 102`,
      /what is for 192\.168\.0\.1 in the VPC from 172\.16\.3\.[0-9]+ leaves by \S+ and not by a tunnel .*in table 102/,
    ],
  ])("says %s that comes later, within 5 s, and that it is gone", async (_, make, undo, words) => {
    const since = (await lab.box.succeed("date +%s.%N")).trim();
    await lab.box.succeed(make);
    try {
      await says(lab, words);
      await lab.box.waitUntilSucceeds(
        `journalctl -u dual-tunnel-vpn-agent@singapore --since @${since} -o cat | grep -q 'and not by a tunnel'`,
        { timeoutS: 5 },
      );
    } finally {
      await lab.box.succeed(undo);
    }
    await healthy();
  });

  it("opens a packet filter that drops its probes by their mark", async () => {
    const found = await lab.box.succeed("ip rule | sed -n 's/.*fwmark \\(0x[0-9a-f]*\\) lookup.*/\\1/p' | head -n 1");
    await lab.box.succeed(`nft '${dropping(`0x${(Number(found.trim()) & 0x1000).toString(16)}`)}'`);
    try {
      await lab.box.waitUntilSucceeds("nft list chain ip kube firewall | grep -q dual-tunnel-vpn", { timeoutS: 15 });
    } finally {
      await lab.box.succeed("nft delete table ip kube");
    }
    await healthy();
    await lab.box.succeed(`nft '${dropping("0x8000")}'`);
  });

  it("leaves all of others as it was once the connection is removed", async () => {
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    expect(await network()).toBe(before);
  });
});
