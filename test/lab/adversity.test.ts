// What may befall a box at any time: no space left, another Python, a clock that jumps, two applies at once. Traffic goes
// on and fails over, an apply either does its work or says in one sentence why not, and the next one completes it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorldCloudEnd } from "../../lab/cloud-end";
import { Lab } from "../../lab/machines/lab";
import type { Result } from "../../lab/machines/shell";
import { ECS, LAN } from "../../lab/network";
import { itInFull } from "./full";
import { cloudState, install, stage, type Staged } from "../../lab/box/staged-connection";

jest.setTimeout(600_000);

/** A change that every part of the box takes part in: site, links, agent. */
const RENUMBERED: Staged = { marks: [70003, 70004] };
/** A change of one tunnel's files. */
const RENEWED: Staged = { ikeLifetime: [86400, 43200] };

const MARK_IS = (mark: number) => `ip rule | grep -q 'fwmark 0x${mark.toString(16)} '`;

describe("a box with a connection", () => {
  const lab = new Lab({ packages: true });
  const saved = mkdtempSync(join(tmpdir(), "dual-tunnel-vpn-adversity-"));
  let cloud: WorldCloudEnd;

  const healthy = () => lab.box.waitUntilSucceeds("dual-tunnel-vpn status", { timeoutS: 120 });
  const run = (command: string) => lab.box.execute(`${command} 2>&1`, { timeoutS: 400 });

  async function passes(): Promise<void> {
    await lab.namespace("dc").waitUntilSucceeds(`ping -q -c 2 -W 2 ${ECS.address}`, { timeoutS: 60 });
    await lab.namespace("ecs").waitUntilSucceeds(`ping -q -c 2 -W 2 ${LAN.server}`, { timeoutS: 60 });
  }

  async function failsOver(): Promise<void> {
    await lab.cut("uplink1");
    await passes();
    await lab.restore("uplink1");
    await lab.box.waitUntilSucceeds("ip -4 route show proto 157 | grep -q 'dev singapore-1 '", { timeoutS: 60 });
    await passes();
  }

  /** What it ended with is one sentence of ours. */
  function refused({ status, stdout }: Result): string {
    const last = stdout.trimEnd().split("\n").at(-1) ?? "";
    expect([status, last]).toEqual([1, expect.stringMatching(/^dual-tunnel-vpn: .+/)]);
    expect(stdout).not.toContain("Traceback");
    return last;
  }

  async function installed(staged: Staged): Promise<void> {
    const { status, stdout } = await install(lab, staged);
    expect([status, stdout]).toEqual([0, expect.stringContaining("both tunnels are up")]);
    await healthy();
    await passes();
  }

  beforeAll(async () => {
    await lab.start();
    cloud = new WorldCloudEnd(lab);
    await cloud.start();
    await cloud.apply(cloudState());
    const { status, stdout } = await install(lab);
    if (status !== 0) throw new Error(`${stdout}\n${await cloud.log(40)}`);
    await healthy();
    await passes();
    await cloud.hangUp();
    await lab.save(saved);
  }, 900_000);

  beforeEach(async () => {
    await lab.bringBack(saved);
    cloud.resume();
  });

  afterAll(async () => {
    await lab.stop();
    rmSync(saved, { recursive: true, force: true });
  });

  const fill = (directory: string) => lab.box.execute(`cat /dev/zero >${directory}/filling 2>/dev/null; sync`);
  const free = (directory: string) => lab.box.succeed(`rm ${directory}/filling`);

  it("fails over with /run full, says what an apply lacks, and is changed by the next one", async () => {
    const apply = await stage(lab, RENUMBERED);
    await fill("/run");
    await failsOver();
    expect(refused(await run(apply))).toContain("/run has less than 1 MiB free on this box");
    await passes();
    await free("/run");
    await installed(RENUMBERED);
    await lab.box.succeed(MARK_IS(70003));
  });

  it("fails over with the disk full, and refuses a change before it begins", async () => {
    const apply = await stage(lab, RENUMBERED);
    await fill("/var/tmp");
    await failsOver();
    expect(refused(await run(apply))).toMatch(/has \d MiB free on this box, 80 MiB are needed/);
    await lab.box.succeed(MARK_IS(70001));
    await free("/var/tmp");
    await installed(RENUMBERED);
  });

  it("keeps its tunnels where the disk fills up during a change, and is changed by the next one", async () => {
    const apply = await stage(lab, RENEWED);
    const place = "/etc/swanctl/conf.d";
    await lab.box.succeed(
      `cp -a ${place} /var/tmp/conf.d && mount -t tmpfs -o size=64k,mode=0755 small ${place} && cp -a /var/tmp/conf.d/. ${place}/`,
    );
    await fill(place);
    expect(refused(await run(apply))).toContain("No space left on device");
    await failsOver();
    await free(place);
    await installed(RENEWED);
    await lab.box.succeed(`grep -q 'rekey_time = 34560s' ${place}/singapore-2.conf`);
  });

  itInFull("goes on when its Python is replaced by another build of it", "two minutes", async () => {
    // As dpkg does it: each file by a new one in its place.
    await lab.box.succeed(`python=$(readlink -f /usr/bin/python3)
      library=$(python3 -c 'import json; print(json.__file__.rsplit("/", 2)[0])')
      for file in "$python" "$library"/*.py "$library"/json/*.py; do
        cp -p "$file" "$file.dpkg-new" && echo '# Another build.' >>"$file.dpkg-new" && mv "$file.dpkg-new" "$file"
      done
      find "$library" -name '*.pyc' -delete`);
    await failsOver();
    await healthy();
    await lab.box.succeed("systemctl kill -s KILL dual-tunnel-vpn-agent@singapore");
    await failsOver();
    await installed(RENUMBERED);
  });

  for (const jump of ["+1 day", "-1 day"]) {
    itInFull(`goes on when its clock jumps by ${jump}`, "a minute; the fault clock-jump is made", async () => {
      await lab.box.succeed(`date -s '${jump}'`);
      await failsOver();
      await healthy();
      await installed(RENUMBERED);
    });
  }

  it("takes two applies at once one after the other, and is as the later one wants it", async () => {
    const [one, two] = [await stage(lab, RENUMBERED), await stage(lab, RENEWED)];
    const first = run(one);
    const second = run(two);
    for (const { status, stdout } of await Promise.all([first, second])) {
      expect([status, stdout]).toEqual([0, expect.stringContaining("both tunnels are up")]);
    }
    await healthy();
    await passes();
    // Whichever came later, all is of that one.
    const renumbered = (await lab.box.execute(MARK_IS(70003))).status === 0;
    const renewed = (await lab.box.execute("grep -q 34560s /etc/swanctl/conf.d/singapore-2.conf")).status === 0;
    expect(renumbered).not.toBe(renewed);
  });
});
