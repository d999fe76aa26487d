// What runs on the box, on a real one: installs, changes, survives and removes, with the lab's cloud end as its peer.
import { WorldCloudEnd } from "../../lab/cloud-end";
import { differences, listingOf } from "../../lab/box/listing";
import { Lab } from "../../lab/machines/lab";
import { quote } from "../../lab/machines/shell";
import { ECS, LAN } from "../../lab/network";
import { Traffic } from "../../lab/traffic/traffic";
import { cloudState, install, stage, type Staged } from "../../lab/box/staged-connection";
import { exposures } from "./on-a-box";

jest.setTimeout(1_200_000);

interface TunnelStatus {
  readonly up: boolean;
  readonly ike: { readonly id: string | null };
  readonly child: { readonly id: string | null };
}

describe("the box", () => {
  const lab = new Lab();
  let cloud: WorldCloudEnd;
  /** Before anything, and once the packages are there (they stay). */
  let pristine: string;
  let withPackages: string;

  const listing = () => listingOf(lab.box);
  const lastLine = (text: string) => text.trimEnd().split("\n").at(-1);
  const tunnels = async (): Promise<TunnelStatus[]> =>
    (
      JSON.parse((await lab.box.execute("dual-tunnel-vpn status singapore --json")).stdout) as {
        tunnels: TunnelStatus[];
      }
    ).tunnels;
  const ids = async (number: 1 | 2) => {
    const { up, ike, child } = (await tunnels())[number - 1];
    if (!up) {
      const box = await lab.box.succeed(
        "swanctl --list-sas; journalctl -o short-precise -n 80 -u 'dual-*' -u strongswan",
      );
      throw new Error(`tunnel ${number} is not up: ${box}\n${await cloud.log(40)}`);
    }
    return [ike.id, child.id];
  };

  async function installed(staged: Staged = {}): Promise<string> {
    const { status, stdout } = await install(lab, staged);
    if (status !== 0) throw new Error(`${stdout}\n${await cloud.log(40)}`);
    expect(stdout).not.toMatch(/psk-of-tunnel|cHNrLW9m/);
    return stdout;
  }

  async function passes(): Promise<void> {
    await lab.namespace("dc").waitUntilSucceeds(`ping -q -c 2 -W 2 ${ECS.address}`);
    await lab.namespace("ecs").waitUntilSucceeds(`ping -q -c 2 -W 2 ${LAN.server}`);
  }

  async function uninstalled(): Promise<void> {
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    expect(differences(withPackages, await listing())).toEqual([]);
    await lab.box.fail("test -e /usr/local/sbin/dual-tunnel-vpn");
  }

  beforeAll(async () => {
    await lab.start();
    cloud = new WorldCloudEnd(lab);
    await cloud.start();
    await cloud.apply(cloudState());
    pristine = await listing();
  }, 900_000);

  afterAll(() => lab.stop());

  it.each<[string, Staged, string, string, string, RegExp]>([
    [
      "an uplink's address that the box does not have",
      { firstUplink: "172.16.9.9" },
      "root",
      "true",
      "true",
      /^dual-tunnel-vpn: an uplink wants the address 172\.16\.9\.9, which this box does not have/,
    ],
    [
      "a user without sudo",
      {},
      "nosudo",
      "true",
      "true",
      /^dual-tunnel-vpn: the SSH user nosudo cannot run sudo without a password on this box/,
    ],
    [
      "a kernel without XFRM interfaces",
      {},
      "root",
      "mkdir -p /run/modprobe.d && echo 'install xfrm_interface /bin/false' >/run/modprobe.d/no.conf; modprobe -rq xfrm_interface; true",
      "rm /run/modprobe.d/no.conf",
      /^dual-tunnel-vpn: the kernel \S+ of this box has no XFRM interfaces/,
    ],
    [
      "packages that cannot be had",
      {},
      "root",
      "mv /var/local/apt-repo /var/local/hidden; mkdir /var/local/apt-repo",
      "rmdir /var/local/apt-repo; mv /var/local/hidden /var/local/apt-repo",
      /^dual-tunnel-vpn: the packages .* cannot be had on this box/,
    ],
  ])("refuses %s in one sentence and leaves nothing", async (_, staged, user, before, after, sentence) => {
    await lab.box.succeed(before);
    try {
      const { status, stdout } = await install(lab, staged, user);
      expect(status).not.toBe(0);
      expect(lastLine(stdout)).toMatch(sentence);
    } finally {
      await lab.box.succeed(after);
    }
    expect(differences(pristine, await listing())).toEqual([]);
  });

  it("installs after the box was reset in the middle of the packages, with nothing of the first try in the way", async () => {
    const command = await stage(lab);
    await lab.box.succeed(`setsid ${command} >/dev/null 2>&1 &`);
    await lab.box.waitUntilSucceeds(
      "grep -q ' status half-configured charon-systemd\\| status unpacked libstrongswan' /var/log/dpkg.log",
      {
        timeoutS: 300,
        intervalMs: 50,
      },
    );
    await lab.box.crash();
    await lab.box.waitForSsh();
    await lab.box.succeed("systemctl is-system-running --wait || true", { timeoutS: 180 });
    const text = await installed();
    expect(lastLine(text)).toMatch(/connection singapore: both tunnels are up/);
    await passes();
    await lab.box.fail("ls -A /run/dual-tunnel-vpn-staging | grep .");
  });

  it("shows what is true, and is healthy", async () => {
    const text = await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
    expect(text).toMatch(/^singapore: healthy\n/);
    expect(text).toMatch(/tunnel 1 \(active\) to 192\.0\.2\.152 by uplink 1: IKE ESTABLISHED/);
  });

  it("keeps secrets to root", async () => {
    const modes = await lab.box.succeed(
      "stat -c '%a %U %n' /etc/swanctl/conf.d/*.secrets.conf /etc/dual-tunnel-vpn/singapore",
    );
    expect(
      modes
        .trim()
        .split("\n")
        .map((line) => line.split(" ").slice(0, 2).join(" ")),
    ).toEqual(["600 root", "600 root", "700 root"]);
    const leaks = await lab.box.execute(
      "grep -rlE 'psk-of-tunnel|cHNrLW9mLXR1bm5lb' /etc /root /home /tmp /var/log /var/lib/dual-tunnel-vpn /run 2>/dev/null | sort; journalctl | grep -cE 'psk-of-tunnel|cHNrLW9mLXR1bm5lb'",
    );
    expect(leaks.stdout.trim().split("\n")).toEqual([
      "/etc/swanctl/conf.d/singapore-1.secrets.conf",
      "/etc/swanctl/conf.d/singapore-2.secrets.conf",
      "0",
    ]);
  });

  it("changes nothing when nothing changed", async () => {
    const before = [await ids(1), await ids(2)];
    const times =
      "stat -c '%n %Y %i' /etc/swanctl/conf.d/* /etc/sysctl.d/90-dual* /etc/dual-tunnel-vpn/singapore/site.json";
    const files = await lab.box.succeed(times);
    const agent = await lab.box.succeed("systemctl show -p MainPID dual-tunnel-vpn-agent@singapore");
    await installed();
    expect([await ids(1), await ids(2)]).toEqual(before);
    expect(await lab.box.succeed(times)).toBe(files);
    expect(await lab.box.succeed("systemctl show -p MainPID dual-tunnel-vpn-agent@singapore")).toBe(agent);
  });

  it("changes one tunnel and leaves the other's SAs alone", async () => {
    const first = await ids(1);
    const second = await ids(2);
    const change = { esp: ["aes256-sha256-modp2048", "aes128-sha256"], ikeLifetime: [86400, 43200] } as const;
    await cloud.apply(cloudState(change));
    await installed(change);
    expect(await ids(1)).toEqual(first);
    expect(await ids(2)).not.toEqual(second);
    expect(await lab.box.succeed("swanctl --list-sas --ike singapore-2")).toMatch(/AES_CBC-128/);
  });

  it("changes the active tunnel's pre-shared key while traffic goes on", async () => {
    const psks = ["psk-of-tunnel-one-new", "psk-of-tunnel-two"] as const;
    const change = { psks, esp: ["aes256-sha256-modp2048", "aes128-sha256"], ikeLifetime: [86400, 43200] } as const;
    const second = await ids(2);
    await cloud.apply(cloudState(change));
    const traffic = await Traffic.start(lab);
    await traffic.waitUntilFlowing();
    const mark = await traffic.mark();
    await installed(change);
    await traffic.waitUntilFlowing();
    const { out, in: back } = await traffic.since(mark);
    await traffic.stop();
    expect(await ids(2)).toEqual(second);
    for (const { sent, lost } of [out, back]) expect(lost).toBeLessThan(sent / 10);
    await installed(change);
  });

  it("says which tunnel did not come up and why, in the last line, and no key in it", async () => {
    const psks = ["psk-of-tunnel-one-new", "psk-of-tunnel-two-wrong"] as const;
    const { status, stdout } = await install(lab, { psks });
    expect(status).not.toBe(0);
    expect(lastLine(stdout)).toMatch(
      /tunnel 2 \(standby, to 192\.0\.2\.10\) did not come up: .*(pre-shared keys|authentication)/,
    );
    expect(stdout).not.toMatch(/psk-of-tunnel/);
    expect((await tunnels())[0].up).toBe(true);
    expect((await lab.box.execute("dual-tunnel-vpn status")).status).toBe(1);
    await cloud.apply(cloudState());
    await installed();
  });

  it("puts the former configuration back when strongSwan refuses the new one", async () => {
    const first = await ids(1);
    const { status, stdout } = await install(lab, { esp: ["aes256-sha256-modp2048", "aes256-nonsense"] });
    expect(status).not.toBe(0);
    expect(lastLine(stdout)).toMatch(/strongSwan refused the configuration, the former one is back in place/);
    expect(await ids(1)).toEqual(first);
    expect(await lab.box.succeed("cat /etc/swanctl/conf.d/singapore-2.conf")).not.toMatch(/nonsense/);
    await ids(2);
  });

  it("says what was changed in our files, by status and at each start, and goes on", async () => {
    const unit = "/etc/systemd/system/dual-tunnel-vpn-repair@.service";
    const program = "$(realpath /usr/local/lib/dual-tunnel-vpn/current)/dual_tunnel_vpn/verdict.py";
    const secrets = "/etc/swanctl/conf.d/singapore-1.secrets.conf";
    await lab.box.succeed(`echo '# touched' | tee -a ${unit} ${program} && chmod 644 ${secrets}`);
    const changed = [
      `${unit} was changed since we installed it`,
      "dual_tunnel_vpn/verdict.py was changed since we installed it",
      `${secrets} has mode 0644, and not 0600 as we installed it`,
    ];
    const { status, stdout } = await lab.box.execute("dual-tunnel-vpn status");
    expect(status).toBe(1);
    for (const each of changed) expect(stdout).toContain(each);
    const agent = "dual-tunnel-vpn-agent@singapore";
    const links = "dual-tunnel-vpn-links@singapore";
    await lab.box.succeed(`systemctl restart ${agent} && systemctl reload ${links}`);
    for (const of of [agent, links]) {
      const journal = `journalctl --boot --unit ${of} --priority warning --no-pager`;
      for (const each of changed) await lab.box.waitUntilSucceeds(`${journal} | grep -F ${quote(each)}`);
    }
    await passes();
  });

  // Where an apply is cut off, and what the next one makes of it, is kill-walk's.
  it("has everything as it was installed after the next apply", async () => {
    await installed();
    await passes();
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
  });

  it("comes back by itself after a reboot", async () => {
    await lab.box.reboot();
    await passes();
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
  });

  it("confines what it runs, and denies it nothing that it needs", async () => {
    const ours = ["agent", "guard", "links", "repair"].map((name) => `dual-tunnel-vpn-${name}@singapore.service`);
    const units = [...ours, "strongswan.service"];
    const found = await exposures(lab.box, units);
    expect(Object.keys(found).sort()).toEqual([...units].sort());
    expect(Object.entries(found).filter(([, level]) => !(level <= 3))).toEqual([]);
    const journal = await lab.box.succeed("journalctl --boot --unit strongswan --unit 'dual-tunnel-vpn-*' --no-pager");
    expect(journal.match(/.*(not permitted|permission denied|read-only).*/gi) ?? []).toEqual([]);
    // Which charon itself writes.
    expect(await lab.box.succeed("sysctl -n net.core.xfrm_acq_expires")).toBe("5\n");
  });

  it("takes packets that 1023 others have overtaken, and has ESP in UDP merged as it should be", async () => {
    const states = await lab.box.succeed("ip xfrm state");
    expect(states.match(/replay_window 1024/g)?.length).toBeGreaterThanOrEqual(2);
    expect(states).not.toMatch(/replay-window 32/);
    await lab.box.succeed(
      "lsmod | grep -w ^esp4_offload && grep -x esp4_offload /etc/modules-load.d/dual-tunnel-vpn.conf",
    );
  });

  it("says in one line with what it will not keep up", async () => {
    // ETHTOOL_SGRO: the box has no ethtool.
    const device = (await lab.box.succeed(`ip -o -4 address show to ${LAN.box} | awk '{print $2}'`)).trim();
    const gro = (on: 0 | 1) =>
      lab.box.succeed(
        `python3 -c 'import array, fcntl, socket, struct; value = array.array("I", (0x2C, ${on})); fcntl.ioctl(socket.socket(), 0x8946, struct.pack("@16sP16x", b"${device}", value.buffer_info()[0]))'`,
      );
    await gro(0);
    const slow = /this box may not keep up with .*/gm;
    const told = async (bandwidthMbps: number) => (await installed({ bandwidthMbps })).match(slow);
    expect(await told(1_000_000)).toEqual([
      expect.stringMatching(
        /1000000 Mbit\/s: one core of this box encrypts at most \d+ Mbit\/s with cbc\(aes\) of 256 bits and hmac\(sha256\) \(driver authenc\(.*\)\).*; GRO is off on \S+, each packet /,
      ) as string,
    ]);
    await gro(1);
    // The remedy that is named where it is not there yet.
    await lab.box.succeed("modprobe aesni_intel");
    expect(await told(1_000_000)).toEqual([expect.stringMatching(/cbc-aes-aesni\)\)( \(\S+ s\))?$/) as string]);
    // What any box does.
    expect(await told(1)).toBeNull();
    await installed();
  });

  it("puts its links back when they were taken away", async () => {
    await lab.box.succeed(
      "nft flush ruleset; ip rule del priority 5157; ip route flush table 70002; dual-tunnel-vpn links singapore",
    );
    await lab.box.succeed("nft list table inet dual_tunnel_vpn_singapore");
    expect((await lab.box.succeed("ip rule")).match(/5157:/g)).toHaveLength(2);
    expect(await lab.box.succeed("ip route show table 70002")).toMatch(/default via 172\.16\.2\.253/);
  });

  it("is removed with charon dead, twice, and without a trace", async () => {
    await lab.box.succeed("systemctl kill -s KILL strongswan; systemctl stop strongswan");
    await lab.box.succeed(
      "cp /usr/local/sbin/dual-tunnel-vpn /root/again; cp -rL /usr/local/lib/dual-tunnel-vpn/current /root/current",
    );
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    await lab.box.succeed(
      "cp /root/again /root/current/dual-tunnel-vpn; /root/current/dual-tunnel-vpn uninstall singapore; rm -r /root/again /root/current",
    );
    expect(await lab.box.succeed("systemctl is-enabled strongswan || true")).toBe("disabled\n");
    expect(await lab.box.succeed("systemctl is-active strongswan || true")).toBe("inactive\n");
    expect(await lab.box.succeed("ip xfrm state; ip xfrm policy")).toBe("");
    withPackages = await listing();
    expect(differences(pristine, withPackages)).toEqual([]);
  });

  it("opens a firewall that drops for the tunnels, and closes it again", async () => {
    const rules = [
      "table inet filter {",
      " chain input {",
      "  type filter hook input priority 0; policy drop;",
      "  ct state established,related accept",
      "  iif lo accept",
      "  tcp dport 22 accept",
      " }",
      " chain forward {",
      "  type filter hook forward priority 0; policy drop;",
      " }",
      "}",
      "table ip nat {",
      " chain post {",
      "  type nat hook postrouting priority 100;",
      "  masquerade",
      " }",
      "}",
    ];
    await lab.box.succeed("nft -f -", { stdin: `${rules.join("\n")}\n` });
    withPackages = await listing();
    await installed();
    await passes();
    await uninstalled();
  });
});
