// Every fault of the laboratory once, with generous limits: slow machines keep them, a broken mechanism does not.
// The distributions are the benchmark's affair: `npm run bench -- failover`.
import { FAULTS } from "../../lab/faults/catalogue";
import type { Fault } from "../../lab/faults/fault";
import { beyond, type RunResult, type Runner } from "../../lab/faults/run";
import type { Scene } from "../../lab/faults/scene";
import { Stage } from "../../lab/faults/stage";

const full = process.env.DUAL_TUNNEL_VPN_TEST === "full";

// Six times what the slowest takes on an idle machine.
jest.setTimeout(full ? 1_200_000 : 300_000);

const faults = [...FAULTS];
const short = faults.filter(([, fault]) => full || !fault.long);
const long = faults.filter(([, fault]) => !full && fault.long);

describe("a site under faults", () => {
  let stage: Stage;
  let runner: Runner;
  let scene: Scene;
  const results = new Map<string, RunResult>();

  const boot = async () => {
    stage = await Stage.boot();
    ({ runner, scene } = await stage.enter("product"));
  };

  beforeAll(boot, 900_000);

  afterAll(() => stage.stop());

  // A fault that leaves the site broken must not spoil those after it; nor are hours spent where all is broken.
  const FEW = 3;
  let failed = 0;
  let spoilt = false;
  beforeEach(async () => {
    if (failed >= FEW) throw new Error(`Not made: ${FEW} faults were not withstood before.`);
    if (!spoilt) return;
    failed += 1;
    await stage.stop();
    await boot();
    failed -= 1;
    spoilt = false;
  }, 900_000);

  it.each<[string, Fault]>(short)("withstands %s", async (id, fault) => {
    spoilt = true;
    failed += 1;
    try {
      const result = await runner.run(fault);
      results.set(id, result);
      spoilt = false;
      expect(beyond(fault.limits, result)).toEqual([]);
      failed -= 1;
    } catch (error) {
      const said = results.get(id)?.story.join("\n") ?? "The run did not come to its end.";
      const journal = await scene.box.execute(
        "journalctl -o short-precise -n 60 -u 'dual-tunnel-vpn-agent@*' -u strongswan",
      );
      (error as Error).message += `\n--- what the agent said during the run\n${said}`;
      (error as Error).message += `\n--- the box's journal\n${journal.stdout}`;
      throw error;
    }
  });

  if (long.length > 0) {
    it.skip.each(long.map(([id]) => id))("withstands %s (takes a minute or more: npm run test:full)", () => undefined);
  }

  it("is told about a failover so that a person understands it", () => {
    const story = results.get("uplink1-silent")?.story.join("\n");
    expect(story).toMatch(
      new RegExp(
        [
          /uplink 1 to 192\.0\.2\.152: \d+ probes in a row without an answer, for 0\.\d+ s; uplink 2 to [\d.]+ answers/,
          /uplink 1 does not reach 192\.0\.2\.152: the VPC is reached by tunnel 2 \(standby\)/,
          /uplink 1 does not reach 192\.0\.2\.152: tunnel 1 \(active\) goes on by uplink 2, if the cloud follows/,
          /the cloud follows: tunnel 1 \(active\) carries both ways by uplink 2/,
        ]
          .map(({ source }) => source)
          .join("[\\s\\S]*"),
      ),
    );
  });
});
