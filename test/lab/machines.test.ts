// The lab's machines, links and instruments themselves, before anything of the product runs on them.
import { spawn } from "child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "fs";
import { tmpdir } from "os";
import { join } from "path";
import { createInterface } from "readline";
import { setTimeout as delay } from "timers/promises";
import { Lab } from "../../lab/machines/lab";
import { Traffic } from "../../lab/traffic/traffic";

jest.setTimeout(900_000);

const PUBLIC = {
  from: { namespace: "nat1", address: "198.51.100.198" },
  to: { namespace: "cloud", address: "192.0.2.2" },
} as const;

describe("the lab", () => {
  const lab = new Lab();
  beforeAll(() => lab.start());
  afterAll(() => lab.stop());

  it("hands over a box without VPN software, whose only package source is its own", async () => {
    expect((await lab.box.fail("command -v swanctl python3 nft")).stdout).toBe("");
    expect(await lab.box.succeed("cat /etc/apt/sources.list; ls -A /etc/apt/sources.list.d")).toBe(
      "deb [trusted=yes] file:/var/local/apt-repo ./\n",
    );
    expect(await lab.box.succeed("apt-get -qq update 2>&1")).toBe("");
    const simulated = await lab.box.succeed(
      "apt-get install --simulate charon-systemd strongswan-swanctl libstrongswan-standard-plugins python3 nftables",
    );
    expect(simulated).toMatch(/^Inst charon-systemd /m);
  });

  it("is in good order after its boot", async () => {
    for (const machine of [lab.box, lab.world]) {
      expect(await machine.succeed("systemctl --failed --plain --no-legend")).toBe("");
    }
  });

  it("gives each user of the box the rights that its name says", async () => {
    const as = async (user: string, command: string) => {
      const connection = lab.box.connectionAs(user);
      const result = await connection.execute(command);
      connection.close();
      return result;
    };
    expect(await as("admin", "sudo -n id -u")).toMatchObject({ status: 0, stdout: "0\n" });
    expect((await as("nosudo", "sudo -n id -u")).status).not.toBe(0);
  });

  it("joins what the drawing joins, and nothing else", async () => {
    await lab.in("dc", "ping -q -c 1 -W 5 172.16.3.1");
    await lab.in("ecs", "ping -q -c 1 -W 5 192.168.10.1");
    await lab.box.succeed("ping -q -c 1 -W 5 172.16.2.253");
    await lab.box.succeed("ping -q -c 1 -W 5 192.0.2.2");
    await lab.namespace("dc").fail("ping -q -c 1 -W 1 192.168.10.10");
    await lab.namespace("inet").fail("ping -q -c 1 -W 1 172.16.1.93");
  });

  it("hides each uplink behind its egress IP, source ports kept", async () => {
    const heard = async (nat: "nat1" | "nat2", port: number) => {
      const script = `import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("192.0.2.2", ${port})); s.settimeout(60); print(*s.recvfrom(9)[1])`;
      const shouting = lab.box.execute(
        `rm -f /tmp/heard; exec 3>/dev/udp/192.0.2.2/${port}; until [ -e /tmp/heard ]; do echo hello >&3; sleep 0.2; done 2>/dev/null`,
      );
      const [address, source] = (await lab.in("cloud", `python3 -c '${script}'`)).trim().split(" ");
      const flow = await lab.in(nat, `conntrack -L --proto udp --dport ${port} 2>/dev/null`);
      await lab.box.succeed("touch /tmp/heard");
      await shouting;
      return { address, flow, source };
    };
    const first = await heard("nat1", 7001);
    expect(first.address).toBe("198.51.100.198");
    expect(first.flow).toContain(`src=172.16.1.93 dst=192.0.2.2 sport=${first.source} dport=7001`);
    await lab.box.succeed("ip route replace 192.0.2.2 via 172.16.2.253");
    const second = await heard("nat2", 7002);
    expect(second.address).toBe("203.0.113.181");
    expect(second.flow).toContain(`src=172.16.2.57 dst=192.0.2.2 sport=${second.source} dport=7002`);
    await lab.box.succeed("ip route del 192.0.2.2");
  });

  it("measures a cut in each direction apart, with the carrier kept, and its end", async () => {
    const traffic = await Traffic.start(lab, PUBLIC);
    await traffic.waitUntilFlowing();
    for (const [direction, cutOne, openOne] of [
      ["out", "out", "in"],
      ["in", "in", "out"],
    ] as const) {
      const mark = await traffic.mark();
      await lab.cut("wan1", direction);
      let report = await traffic.since(mark);
      while (report[cutOne].silentS < 3) {
        await delay(100);
        report = await traffic.since(mark);
      }
      expect(report[cutOne].longestGapS).toBeGreaterThanOrEqual(3);
      expect(report[cutOne].lost).toBeGreaterThan(5);
      expect(report[openOne].lost).toBe(0);
      await lab.restore("wan1");
      await traffic.waitUntilFlowing();
    }
    await lab.cut("uplink1");
    await lab.box.fail("ping -q -c 1 -W 1 172.16.1.253");
    expect(await lab.box.succeed("ip -o link show dev ens17")).toContain("LOWER_UP");
    await lab.restore("uplink1");
    await lab.box.waitUntilSucceeds("ping -q -c 1 -W 1 172.16.1.253");
    await traffic.stop();
  });

  it("makes a link lossy and slow, and good again", async () => {
    await lab.impair("wan2", { delayMs: 100 });
    const slow = await lab.in("nat2", "ping -q -c 3 -i 0.2 -W 2 203.0.113.1 | tail -1");
    expect(Number(/= ([\d.]+)\//.exec(slow)?.[1])).toBeGreaterThanOrEqual(199);
    await lab.impair("wan2", { lossPercent: 100 }, "out");
    await lab.cut("wan2", "in");
    await lab.cut("wan2");
    await lab.namespace("nat2").fail("ping -q -c 2 -i 0.2 -W 1 203.0.113.1");
    await lab.restore("wan2");
    const quick = await lab.in("nat2", "ping -q -c 3 -i 0.2 203.0.113.1 | tail -1");
    expect(Number(/= ([\d.]+)\//.exec(quick)?.[1])).toBeLessThan(99);
    expect(await lab.in("inet", "ls /sys/class/net; tc qdisc")).not.toMatch(/ifb|netem|clsact/);
  });

  it("pulls a cable loudly and puts it back", async () => {
    await lab.box.unplug("uplink2");
    await lab.box.waitUntilSucceeds("ip -o link show dev ens18 | grep -q NO-CARRIER");
    await lab.box.plug("uplink2");
    await lab.box.waitUntilSucceeds("ping -q -c 1 -W 1 172.16.2.253");
  });

  it("says machine, command, output and console when a command does not do what it should", async () => {
    await expect(lab.box.succeed("echo seen; echo why >&2; exit 3")).rejects.toThrow(
      /box: "echo seen.*" ended with 3, should have succeeded\.\n--- output\nseen\n--- error output\nwhy/,
    );
    await expect(lab.box.fail("true")).rejects.toThrow('box: "true" succeeded, should have failed.');
    await expect(lab.box.waitUntilSucceeds("exit 7", { timeoutS: 1 })).rejects.toThrow("did not succeed within 1 s");
    await expect(lab.box.execute("sleep 60", { timeoutS: 1 })).rejects.toThrow("did not end within 1 s");
    await expect(lab.box.waitForUnit("absent.service", { timeoutS: 1 })).rejects.toThrow("absent.service");
  });

  it("comes back from a reboot and from a crash with what was written", async () => {
    await lab.box.write("kept\n", "/root/kept", 0o600);
    const boots = [await lab.box.succeed("cat /proc/sys/kernel/random/boot_id")];
    await lab.box.reboot();
    boots.push(await lab.box.succeed("cat /proc/sys/kernel/random/boot_id"));
    await lab.box.succeed("sync");
    await lab.box.crash();
    await lab.box.waitForSsh();
    boots.push(await lab.box.succeed("cat /proc/sys/kernel/random/boot_id"));
    expect(new Set(boots).size).toBe(3);
    expect(await lab.box.succeed("cat /root/kept; stat -c %a /root/kept")).toBe("kept\n600\n");
    await lab.box.waitUntilSucceeds("ping -q -c 1 -W 1 192.0.2.2");
  });
});

it("brings machines back as they were saved: disk, memory, running programs, in this process and in another", async () => {
  const directory = mkdtempSync(join(tmpdir(), "saved-lab-"));
  const counter = "systemd-run --quiet --unit=counter sh -c 'while :; do echo >>/run/counted; sleep 0.1; done'";
  const counted = async (lab: Lab) => Number(await lab.box.succeed("wc -l </run/counted"));
  const asSaved = async (lab: Lab) => {
    expect(await lab.box.succeed("cat /root/kept /run/kept")).toBe("on disk\nin memory\n");
    expect(await counted(lab)).toBeGreaterThanOrEqual(before);
    await lab.box.waitUntilSucceeds(`[ "$(wc -l </run/counted)" -gt ${await counted(lab)} ]`);
    await lab.in("dc", "ping -q -c 1 -W 5 172.16.3.1");
  };
  const first = new Lab();
  const second = new Lab();
  let before = 0;
  try {
    await first.start();
    await first.box.succeed(`echo on disk >/root/kept; echo in memory >/run/kept; ${counter}`);
    before = await counted(first);
    await first.save(directory);
    await asSaved(first);
    await first.box.succeed("rm /root/kept /run/kept; echo 0 >/run/counted; systemctl stop counter");
    await first.bringBack(directory);
    await asSaved(first);
    // Each is a world of its own, also side by side.
    await second.open(directory);
    await asSaved(second);
    await second.box.succeed("rm /root/kept");
    await asSaved(first);
  } finally {
    await Promise.all([first.stop(), second.stop()]);
    rmSync(directory, { recursive: true });
  }
});

it("leaves no process behind when its process is killed", async () => {
  const script = `
    const { Lab } = require(${JSON.stringify(join(__dirname, "../../lab/machines/lab"))});
    new Lab({ fresh: true, log: (line) => console.log(line) }).start();
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ["-r", "ts-node/register/transpile-only", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const booting = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => line.includes("booting") && resolve());
    child.once("close", () => reject(new Error("the lab's process ended")));
  });
  const machines = () =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
          return command.includes("qemu-system") && command.includes(`lab-run-${child.pid}-`);
        } catch {
          return false;
        }
      });
  await booting;
  const until = async (condition: () => boolean) => {
    const deadline = Date.now() + 30_000;
    while (!condition() && Date.now() < deadline) await delay(20);
    expect(condition()).toBe(true);
  };
  await until(() => machines().length >= 2);
  child.kill("SIGKILL");
  await until(() => machines().length === 0 && !existsSync(`/proc/${child.pid}`));
});
