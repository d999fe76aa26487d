// The lab's machines, links and instruments themselves, before anything of the product runs on them.
import { spawn } from "child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "fs";
import { tmpdir } from "os";
import { join } from "path";
import { createInterface } from "readline";
import { setTimeout as delay } from "timers/promises";
import { Lab } from "../../lab/machines/lab";
import type { Machine } from "../../lab/machines/machine";
import { ECS, LAN, TWO_BOXES, UPLINKS } from "../../lab/network";
import { Traffic } from "../../lab/traffic/traffic";
import { MACS } from "../../lab/world/network-env";
import { answered, unanswered } from "./echoes";

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
      expect(report[openOne].lost).toBe(0);
      await lab.restore("wan1");
      await traffic.waitUntilFlowing();
      expect((await traffic.since(mark))[cutOne].lost).toBeGreaterThan(5);
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

describe("a lab with two boxes", () => {
  const lab = new Lab({ boxes: 2 });
  const directory = mkdtempSync(join(tmpdir(), "saved-boxes-"));
  const [first, second] = TWO_BOXES.lan;
  const nic = async (box: Machine, address: string) =>
    (await box.succeed(`ip -o -4 address show to ${address} | cut -d ' ' -f 2`)).trim();

  beforeAll(() => lab.start());
  afterAll(async () => {
    await lab.stop();
    rmSync(directory, { recursive: true });
  }, 60_000);

  it("gives each of them one uplink, and both the LAN, where nobody has the shared address yet", async () => {
    for (const [index, box] of lab.boxes.entries()) {
      expect(await box.succeed("cat /proc/sys/kernel/hostname; ip -o -4 route show default")).toMatch(
        new RegExp(`^box2?\n.* via ${UPLINKS[index].gateway} dev [^\n]*\n$`),
      );
      expect(await answered(box, UPLINKS[index].gateway)).toBe(true);
      expect(await unanswered(box, UPLINKS[1 - index].gateway)).toBe(true);
      expect(await answered(box, LAN.server)).toBe(true);
    }
    expect(await answered(lab.box, second)).toBe(true);
    expect(await unanswered(lab.namespace("dc"), TWO_BOXES.virtualGateway)).toBe(true);
    expect(await lab.in("dc", `ip route get ${ECS.address}`)).toContain(`via ${TWO_BOXES.virtualGateway} dev lan`);
  });

  it("gives the shared address to whichever box takes it", async () => {
    for (const box of [lab.box, lab.box2]) {
      const device = await nic(box, box === lab.box ? first : second);
      await box.succeed(`ip address add ${TWO_BOXES.virtualGateway}/32 dev ${device}`);
      await lab.in("dc", "ip neighbour flush all");
      await lab.in("dc", `ping -q -c 1 -W 5 ${TWO_BOXES.virtualGateway}`);
      const { lan } = box === lab.box ? MACS.box : MACS.box2;
      expect(await lab.in("dc", `ip neighbour show to ${TWO_BOXES.virtualGateway}`)).toContain(lan);
      await box.succeed(`ip address del ${TWO_BOXES.virtualGateway}/32 dev ${device}`);
    }
  });

  it.each([
    ["lan", first, second],
    ["lan2", second, first],
  ] as const)("cuts %s silently, each way apart, and leaves the other box its LAN", async (link, own, other) => {
    const [box, device] = link === "lan" ? [lab.box, "lan"] : [lab.box2, "lan2"];
    // Sent by the port; /sys is that of another namespace.
    const received = async () => Number(await lab.in("switch", `awk '$1 == "${device}:" { print $11 }' /proc/net/dev`));
    for (const direction of ["out", "in"] as const) {
      await lab.cut(link, direction);
      const before = await received();
      // The server's echoes still go towards the box where only the way away from it is cut.
      expect(await unanswered(lab.namespace("dc"), own)).toBe(true);
      expect((await received()) > before).toBe(direction === "out");
      expect(await answered(lab.namespace("dc"), other)).toBe(true);
      await lab.restore(link);
      expect(await answered(lab.namespace("dc"), own)).toBe(true);
    }
    await lab.cut(link);
    expect(await unanswered(box, LAN.server)).toBe(true);
    expect(await box.succeed(`cat /sys/class/net/${await nic(box, own)}/carrier`)).toBe("1\n");
    await lab.restoreAll();
    expect(await answered(box, LAN.server)).toBe(true);
  });

  it("keeps the boxes from each other, and neither from the server", async () => {
    await lab.separate();
    expect(await unanswered(lab.box, second)).toBe(true);
    expect(await unanswered(lab.box2, first)).toBe(true);
    for (const box of lab.boxes) expect(await answered(box, LAN.server)).toBe(true);
    await lab.restoreAll();
    expect(await answered(lab.box, second)).toBe(true);
  });

  it("pulls the cable of one box's LAN, which the other does not see", async () => {
    const carrier = async (box: Machine, address: string) =>
      (await box.succeed(`cat /sys/class/net/${await nic(box, address)}/carrier`)).trim();
    await lab.box2.unplug("lan");
    // networkd takes the address away with the carrier.
    await lab.box2.waitUntilSucceeds("ip -o link | grep -q NO-CARRIER");
    expect(await carrier(lab.box, first)).toBe("1");
    await lab.box2.plug("lan");
    await lab.box2.waitUntilSucceeds(`ping -q -c 1 -W 1 ${LAN.server}`);
  });

  it("brings all three back as they were saved, in this lab and in one that asked for nothing", async () => {
    for (const box of lab.boxes) await box.succeed("cat /proc/sys/kernel/hostname >/run/kept");
    await lab.save(directory);
    await lab.box2.stop();
    await lab.bringBack(directory);
    const asSaved = async (back: Lab) => {
      const kept = await Promise.all(back.boxes.map((box) => box.succeed("cat /run/kept")));
      expect(kept).toEqual(["box\n", "box2\n"]);
      expect(await answered(back.box, second)).toBe(true);
    };
    await asSaved(lab);
    const other = new Lab();
    try {
      await other.open(directory);
      await asSaved(other);
    } finally {
      await other.stop();
    }
  });

  it("goes on without a box that has no power, and with it when that is back", async () => {
    await lab.box.succeed("echo kept >/root/kept; sync");
    await lab.box.stop();
    expect(lab.box.isRunning()).toBe(false);
    expect(await unanswered(lab.namespace("dc"), first)).toBe(true);
    expect(await answered(lab.box2, LAN.server)).toBe(true);
    await lab.box.powerOn();
    await lab.box.waitForSsh();
    expect(await lab.box.succeed("cat /root/kept")).toBe("kept\n");
    await lab.box.waitUntilSucceeds(`ping -q -c 1 -W 1 ${second}`);
    await lab.box2.reboot();
    await lab.box.waitUntilSucceeds(`ping -q -c 1 -W 1 ${second}`);
  });
});

it("refuses what only two boxes have where there is one", async () => {
  const lab = new Lab();
  expect(() => lab.box2).toThrow("The lab has not been started.");
  await expect(lab.cut("lan2")).rejects.toThrow("This lab has no lan2; make it with boxes: 2.");
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
