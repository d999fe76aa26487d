// Nobody is locked out: something on the box cuts SSH off as soon as our links come up, and the box helps itself.
import { setTimeout as delay } from "node:timers/promises";
import { differences, listingOf } from "../../lab/box/listing";
import { CommandFailed, Deployment, exampleConfig } from "../../lab/deployment/deployment";
import { TerraformLab } from "./terraform-lab";

jest.setTimeout(900_000);

const TIMER = "dual-tunnel-vpn-rollback@singapore.timer";
const SITE = "/etc/dual-tunnel-vpn/singapore/site.json";
const UNCONFIRMED = "/etc/dual-tunnel-vpn/singapore/unconfirmed.json";
const TAKEN_BACK =
  /\(remote-exec\): dual-tunnel-vpn: no new SSH connection reached this box in time after the change, which the box has therefore taken back: /;
/** What the box waits here for a confirmation, and how late a busy emulated box may begin the rollback. */
const [CONFIRM_S, LATE_S] = [30, 15];
const [OF_LINKS, OF_TIMER] = ["dual-tunnel-vpn-links@.service.d", "dual-tunnel-vpn-rollback@.timer.d"].map(
  (name) => `/etc/systemd/system/${name}`,
);

describe("a box that its change locks SSH out of", () => {
  const place = new TerraformLab("lockout");
  const { lab } = place;
  let deployment: Deployment;
  let pristine: string;

  const boxListing = () => listingOf(lab.box);
  /** Without the empty file that Terraform leaves where it hears of a script's end long after that: a later deploy removes it. */
  const listing = async () => {
    await lab.box.succeed("find /home/admin/.ssh -name 'dual-tunnel-vpn-*.sh' -size 0 -delete");
    return boxListing();
  };
  const holdSeconds = async () =>
    (JSON.parse(await lab.box.succeed(`cat ${SITE}`)) as { agent: { holdSeconds: number } }).agent.holdSeconds;
  const NOTHING_WAITS = `! systemctl is-active ${TIMER} && test ! -e ${UNCONFIRMED}`;
  const nothingWaits = () => lab.box.succeed(NOTHING_WAITS);

  /** Whether a new connection gets in. */
  async function getsIn(timeoutS = 10): Promise<boolean> {
    const connection = lab.box.connectionAs("root");
    try {
      await connection.connect(timeoutS);
      return true;
    } catch {
      return false;
    } finally {
      connection.close();
    }
  }

  /** Has the packet filter cut SSH off while the links are up, where this shell condition holds as they come up. */
  async function lockOut(condition: string, packets: string): Promise<void> {
    const table = `table inet lockout { chain input { type filter hook input priority -350; ${packets} drop; }; }`;
    const script = `#!/bin/sh\nif ${condition}; then nft '${table}'; fi\n`;
    await lab.box.succeed(`mkdir -p ${OF_LINKS}`);
    await lab.box.write(script, "/etc/lockout.sh", 0o755);
    await lab.box.write(
      "[Service]\nExecStartPost=/etc/lockout.sh\nExecStopPost=-nft delete table inet lockout\n",
      `${OF_LINKS}/lockout.conf`,
    );
    await waitLess();
  }

  /** Has the box wait for less than our two minutes, as its owner may. */
  async function waitLess(): Promise<void> {
    await lab.box.succeed(`mkdir -p ${OF_TIMER}`);
    await lab.box.write(`[Timer]\nOnActiveSec=\nOnActiveSec=${CONFIRM_S}s\n`, `${OF_TIMER}/less.conf`);
    await lab.box.succeed("systemctl daemon-reload", { timeoutS: 180 });
  }

  async function lockOutNoMore(): Promise<void> {
    await lab.box.succeed(`rm -r /etc/lockout.sh ${OF_LINKS} ${OF_TIMER} && systemctl daemon-reload`, {
      timeoutS: 180,
    });
  }

  /** For how many seconds the box has waited, from the end of its last apply, before it took the change back. */
  async function waited(): Promise<number> {
    const journal = await lab.box.succeed("journalctl --boot --output short-monotonic --no-pager _PID=1");
    const times = (event: string) =>
      [...journal.matchAll(new RegExp(`^\\[ *([\\d.]+)\\] .*${event} dual-tunnel-vpn-rollback@singapore`, "gm"))].map(
        ([, seconds]) => Number(seconds),
      );
    const rollback = times("Starting").at(-1)!;
    return (
      rollback -
      times("Started")
        .filter((time) => time < rollback)
        .at(-1)!
    );
  }

  /** Deploys what has to fail, and has nothing lock SSH out any more; gives what was printed, and whether nobody got in meanwhile. */
  async function deployLockedOut(): Promise<{ text: string; lockedOut: boolean }> {
    let [ended, lockedOut] = [false, false];
    const failed = deployment
      .deploy()
      .then(
        () => {
          throw new Error("the deployment succeeded");
        },
        (error: unknown) => {
          if (error instanceof CommandFailed) return error.output;
          throw error;
        },
      )
      .finally(() => (ended = true));
    const watched = (async () => {
      while (!ended) {
        if (await getsIn()) await delay(500);
        else lockedOut = true;
      }
    })();
    const [text] = await Promise.all([failed, watched]).finally(lockOutNoMore);
    expect(await getsIn(60)).toBe(true);
    return { text, lockedOut };
  }

  beforeAll(async () => {
    await place.start();
    pristine = await listing();
    deployment = new Deployment({
      ...place.deploysWith,
      config: exampleConfig(lab),
    });
  });

  afterAll(() => place.stop(), 60_000);

  it("is as it was before a first installation, and the deployment says so, where sessions were cut too", async () => {
    await lockOut("true", "tcp dport 22");
    const { text, lockedOut } = await deployLockedOut();
    expect(text).toMatch(TAKEN_BACK);
    expect(lockedOut).toBe(true);
    expect(await waited()).toBeGreaterThanOrEqual(CONFIRM_S - 1);
    expect(await waited()).toBeLessThan(CONFIRM_S + LATE_S);
    expect(differences(pristine, await listing())).toEqual([]);
  });

  it("is installed by the next deployment, which leaves no timer", async () => {
    const { text } = await deployment.deploy();
    expect(text).toContain("connection singapore: both tunnels are up");
    await nothingWaits();
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
  });

  it("goes back to the former configuration after a change, its tunnels up", async () => {
    const before = await holdSeconds();
    await lockOut(`grep -Eq '"holdSeconds": ?${before + 1}' ${SITE}`, "tcp dport 22 ct state new");
    deployment.config = exampleConfig(lab, { holdSeconds: before + 1 });
    const { text, lockedOut } = await deployLockedOut();
    expect(text).toMatch(TAKEN_BACK);
    expect(lockedOut).toBe(true);
    expect(await waited()).toBeGreaterThanOrEqual(CONFIRM_S - 1);
    expect(await waited()).toBeLessThan(CONFIRM_S + LATE_S);
    expect(await holdSeconds()).toBe(before);
    await nothingWaits();
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
    await deployment.deploy();
    expect(await holdSeconds()).toBe(before + 1);
    await nothingWaits();
  });

  it("goes back after a power cut, too, with a change that nobody came to confirm", async () => {
    const now = await holdSeconds();
    const site = await lab.box.succeed(`cat ${SITE}`);
    const former = JSON.stringify({ ...(JSON.parse(site) as object), routeMetric: 38 });
    await lab.box.write(JSON.stringify({ site: former }), UNCONFIRMED, 0o600);
    await waitLess();
    await lab.box.succeed("sync");
    await lab.box.crash();
    await lab.box.waitForSsh();
    await lab.box.waitUntilSucceeds(`grep -q 38 ${SITE} && test ! -e ${UNCONFIRMED}`, { timeoutS: 300 });
    await lab.box.waitUntilSucceeds("ip route show proto 157 | grep -q 'metric 38'", { timeoutS: 120 });
    expect(await holdSeconds()).toBe(now);
    // The agent may have its routes before the rollback has stopped its own timer.
    await lab.box.waitUntilSucceeds(NOTHING_WAITS);
    await lab.box.succeed(`rm -r ${OF_TIMER} && systemctl daemon-reload`, { timeoutS: 180 });
  });

  it("is taken off the box whole", async () => {
    await deployment.destroy();
    expect(differences(pristine, await listing())).toEqual([]);
  });
});
