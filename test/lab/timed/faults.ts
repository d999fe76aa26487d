// Every fault of the laboratory once, with generous limits: slow machines keep them, a broken mechanism does not. The
// distributions are the benchmark's affair: `npm run bench -- failover`. A fault waits more than it works, so two labs
// share them, each a Jest file.
import { median } from "simple-statistics";
import { FAULTS } from "../../../lab/faults/catalogue";
import { isMadeOn, type Fault, type SiteKind } from "../../../lab/faults/fault";
import { beyond, run, type RunResult } from "../../../lab/faults/run";
import { Stage } from "../../../lab/faults/stage";
import { FULL } from "../full";
import { AGENT, tell } from "./prepare";

/** Seconds for which a machine may have stood still in a run that is judged. */
const STANDSTILL_S = 0.3;

/** The fault whose story is read. */
const TOLD = "uplink1-silent";

const STORY = new RegExp(
  [
    /uplink 1 to 192\.0\.2\.152: \d+ probes in a row without an answer, for \d+\.\d+ s; uplink 2 to [\d.]+ answers/,
    /uplink 1 does not reach 192\.0\.2\.152: the VPC is reached by tunnel 2 \(standby\)/,
    /uplink 1 does not reach 192\.0\.2\.152: tunnel 1 \(active\) goes on by uplink 2, if the cloud follows/,
    /the cloud follows: tunnel 1 \(active\) carries both ways by uplink 2/,
  ]
    .map(({ source }) => source)
    .join("[\\s\\S]*"),
);

/** The story that a person would not understand. */
const misunderstood = ({ story }: RunResult) => (STORY.test(story.join("\n")) ? [] : [story.join("\n")]);

/** What a run showed that it should not. */
const shown = (id: string, fault: Fault, result: RunResult) => [
  ...beyond(fault.limits, result),
  ...(id === TOLD ? misunderstood(result) : []),
];

/** The tests of the faults of one kind of site; or of every second, beginning with the first (0) or the second (1). */
export function withstandFaults(site: SiteKind, half?: 0 | 1): void {
  // Three runs of which each ends by its own limits.
  jest.setTimeout(FULL ? 1_800_000 : 900_000);

  const faults = [...FAULTS]
    .filter(([, fault]) => isMadeOn(fault, site))
    .filter((_, index) => half === undefined || index % 2 === half);
  // Of two boxes test/lab/two-boxes.test.ts has a sample: three machines of their own take minutes to be there.
  const isShort = (fault: Fault) => FULL || (fault.long !== true && site.boxes === 1);
  const short = faults.filter(([, fault]) => isShort(fault));
  const long = faults.filter(([, fault]) => !isShort(fault));
  const takes = site.boxes === 1 ? "a minute or more" : "three machines";
  if (long.length > 0) {
    it.skip.each(long.map(([id]) => id))(`withstands %s (takes ${takes}: npm run test:full)`, () => undefined);
  }
  // No stage is made for nothing.
  if (short.length === 0) return;

  let stage: Stage;
  const results = new Map<string, RunResult>();

  beforeAll(async () => {
    const began = Date.now();
    stage = await Stage.of("product", { agent: AGENT, ...site });
    tell(`the stage was there after ${((Date.now() - began) / 1000).toFixed(0)} s`);
  }, 900_000);

  afterAll(async () => {
    const { broughtBackS } = stage;
    if (broughtBackS.length > 0) {
      tell(`it was brought back ${broughtBackS.length} times, in ${median(broughtBackS).toFixed(1)} s (median)`);
    }
    await stage.stop();
  });

  // Where all is broken no hours are to be spent.
  const FEW = 3;
  let failed = 0;

  /** A run in which no machine stood still for longer than the agent takes to decide: else it shows the host's faults. */
  async function runOf(id: string, fault: Fault): Promise<RunResult> {
    for (let again = 2; ; again -= 1) {
      const began = Date.now();
      const result = await run(stage, fault).catch((error: Error) => error);
      const found = result instanceof Error ? [result.message.split("\n")[0]] : shown(id, fault, result);
      // A machine that cannot be asked any more is not to hide what was found.
      const asked = () => stage.stoodStill((Date.now() - began) / 1000).catch(() => 0);
      const still = found.length > 0 ? await asked() : 0;
      if (still < STANDSTILL_S || again === 0) {
        if (result instanceof Error) throw result;
        return result;
      }
      tell(`${id} is made again, since a machine stood still for ${still} s: ${found.join(" ")}`);
    }
  }

  it.each<[string, Fault]>(short)("withstands %s", async (id, fault) => {
    if (failed >= FEW) throw new Error(`Not made: ${FEW} faults were not withstood before.`);
    try {
      const result = await runOf(id, fault);
      results.set(id, result);
      expect(beyond(fault.limits, result)).toEqual([]);
    } catch (error) {
      const said = results.get(id)?.story.join("\n") ?? "The run did not come to its end.";
      const running = stage.lab.boxes.filter((box) => box.isRunning());
      const journals = await Promise.all(
        running.map((box) =>
          box.execute("journalctl -o short-precise -n 60 -u 'dual-tunnel-vpn-*@*' -u strongswan -u keepalived"),
        ),
      );
      (error as Error).message += `\n--- what the agent said during the run\n${said}`;
      failed += 1;
      for (const [index, { stdout }] of journals.entries()) {
        (error as Error).message += `\n--- the journal of ${running[index].name}\n${stdout}`;
      }
      throw error;
    }
  });

  if (short.some(([id]) => id === TOLD)) {
    it("is told about a failover so that a person understands it", () => {
      const result = results.get(TOLD);
      if (!result) throw new Error("The run did not come to its end.");
      expect(misunderstood(result)).toEqual([]);
    });
  }
}
