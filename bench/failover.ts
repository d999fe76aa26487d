// `npm run bench -- failover`: what each fault does to traffic, over many runs, beside the how-to page if asked.
import { parseArgs } from "node:util";
import type { Contender } from "../lab/faults/contender";
import { FAULTS } from "../lab/faults/catalogue";
import type { AgentParameters } from "../lab/faults/product";
import { beyond } from "../lab/faults/run";
import { Stage } from "../lab/faults/stage";
import { machineOf } from "./failover/machine";
import { Results } from "./failover/results";
import { comparison, held, table } from "./failover/table";

const HELP = `usage: npm run bench -- failover [--runs N] [--faults a,b] [--against how-to] [--json FILE [--resume]] [--agent JSON]
  --runs N          runs of each fault; one that lasts a minute or more runs at most 3 times (default 20)
  --faults a,b      which (default: those with a target; "all": every one); ids are ${[...FAULTS.keys()].join(", ")}
  --against how-to  the same faults on the how-to page's configuration too, on the same machines
  --json FILE       append each finished run to FILE
  --resume          keep the runs that FILE holds and go on from there
  --agent JSON      options of the failover agent, for example '{"probeMisses": 8}'`;

/** What a fault that lasts a minute or more is run at most. */
const LONG_RUNS = 3;
const LONG_S = 60;

export async function benchFailover(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: "string", default: "20" },
      faults: { type: "string" },
      against: { type: "string" },
      json: { type: "string" },
      resume: { type: "boolean", default: false },
      agent: { type: "string", default: "{}" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return true;
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs is ${values.runs}; give a whole number from 1.`);
  if (values.against !== undefined && values.against !== "how-to") {
    throw new Error(`--against is ${values.against}; the only rival is how-to.`);
  }
  if (values.resume && values.json === undefined)
    throw new Error("--resume needs --json FILE, the file to go on with.");
  const ids = chosen(values.faults);
  const results = new Results(values.json, values.resume);
  const contenders: Contender["id"][] = values.against === undefined ? ["product"] : ["product", "how-to"];
  const left = (contender: Contender["id"]) =>
    ids.filter((id) => results.missing(contender, id, wanted(results, contender, id, runs)));
  if (contenders.some((contender) => left(contender).length > 0)) {
    const stage = await Stage.boot({
      log: (line) => console.log(line),
      agent: JSON.parse(values.agent) as AgentParameters,
    });
    try {
      for (const contender of contenders) {
        if (left(contender).length === 0) continue;
        const { scene, runner } = await stage.enter(contender);
        results.describe(await machineOf(stage.lab.box));
        for (const id of left(contender)) {
          const fault = FAULTS.get(id);
          if (!fault) continue;
          console.log(`\n${contender}: ${id}. ${fault.what}`);
          while (results.missing(contender, id, wanted(results, contender, id, runs))) {
            const began = new Date();
            try {
              const result = await runner.run(fault);
              results.add({ contender, fault: id, at: began.toISOString(), ...result });
              const { out, in: back } = result;
              const warnings = contender === "product" ? beyond(fault.limits, result) : [];
              console.log(
                `  ${out.longestGapS.toFixed(2)} s, ${out.lost} lost; ${back.longestGapS.toFixed(2)} s, ${back.lost} lost` +
                  `${result.switches === undefined ? "" : `; ${result.switches} switches`}` +
                  Object.entries(result.times)
                    .map(([what, s]) => `; ${what} ${s.toFixed(1)} s`)
                    .join("") +
                  warnings.map((line) => `\n    ${line}`).join(""),
              );
            } catch (error) {
              const message = (error as Error).message;
              results.add({ contender, fault: id, at: began.toISOString(), error: message });
              console.log(`  failed: ${message}`);
              await scene.restoreAll();
            }
          }
        }
      }
    } finally {
      await stage.stop();
    }
  }
  console.log(`\n${results.heading()}\n${table(results, ids, contenders)}`);
  if (contenders.length > 1) console.log(comparison(results, ids));
  return held(results, ids);
}

/** How many runs a fault is to have in all: fewer once it is known to take long. */
function wanted(results: Results, contender: Contender["id"], id: string, runs: number): number {
  const long = FAULTS.get(id)?.long === true || results.of(contender, id).some(({ seconds }) => seconds >= LONG_S);
  return long ? Math.min(runs, LONG_RUNS) : runs;
}

function chosen(text: string | undefined): string[] {
  if (text === undefined) return [...FAULTS].filter(([, fault]) => fault.target).map(([id]) => id);
  if (text === "all") return [...FAULTS.keys()];
  const ids = text.split(",");
  const unknown = ids.filter((id) => !FAULTS.has(id));
  if (unknown.length > 0)
    throw new Error(`--faults: there is no fault ${unknown.join(", ")}; there are ${[...FAULTS.keys()].join(", ")}.`);
  return ids;
}
