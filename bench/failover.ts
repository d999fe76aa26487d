// `npm run bench -- failover`: what each fault does to traffic, over many runs, beside the how-to page if asked.
import { parseArgs } from "node:util";
import type { Contender } from "../lab/faults/contender";
import { FAULTS } from "../lab/faults/catalogue";
import type { AgentParameters } from "../lab/faults/product";
import { isMadeOn, SITE_KINDS, type Fault } from "../lab/faults/fault";
import { beyond, run as runFault } from "../lab/faults/run";
import { Stage } from "../lab/faults/stage";
import { machineOf } from "./failover/machine";
import { Results } from "./failover/results";
import { comparison, held, table } from "./failover/table";

const HELP = `usage: npm run bench -- failover|planned|boxes [--runs N] [--faults a,b] [--against how-to] [--json FILE [--resume]] [--agent JSON]
  --runs N          runs of each fault; by failover one that lasts a minute or more runs at most 3 times (default 20)
  --faults a,b      which (default: those with a target and one box, the planned changes, or those of two boxes; "all": every one); ids are ${[...FAULTS.keys()].join(", ")}
  --against how-to  the same faults on the how-to page's configuration too, on the same machines
  --json FILE       append each finished run to FILE
  --resume          keep the runs that FILE holds and go on from there
  --agent JSON      options of the failover agent, for example '{"probeMisses": 8}'`;

/** What a fault that lasts a minute or more is run at most by the benchmark of failover. */
const LONG_RUNS = 3;
const LONG_S = 60;

/** What must lose nothing. */
const PLANNED = [...FAULTS.keys()]
  .filter((id) => /^((bgp|boxes)-)?planned-/.test(id))
  .concat("failback", "bgp-return", "rekey-ike", "rekey-ike-cloud", "rekey-child", "rekey-child-cloud");

/** Milliseconds between its packets, each way: more than some 870 a second the idle lab's sender does not make. */
const PLANNED_INTERVAL_MS = 1;

/** `npm run bench -- boxes`: what befalls a site with two boxes; the same options, every run. */
export function benchBoxes(args: string[]): Promise<boolean> {
  return bench(args, withTarget(2), Infinity);
}

/** `npm run bench -- planned`: what must lose nothing, held to that; the same options, every run, more packets. */
export function benchPlanned(args: string[]): Promise<boolean> {
  return bench(args, PLANNED, Infinity, { intervalMs: PLANNED_INTERVAL_MS });
}

export function benchFailover(args: string[]): Promise<boolean> {
  return bench(args, withTarget(1), LONG_RUNS);
}

/** The faults of sites with so many boxes that are held to a target. */
function withTarget(boxes: 1 | 2): string[] {
  return [...FAULTS].filter(([, fault]) => fault.target && (fault.boxes ?? 1) === boxes).map(([id]) => id);
}

/**
 * @param usual the faults where no others are chosen
 * @param longRuns what one that lasts a minute or more is run at most
 * @param otherwise what is not as the fault has it
 */
async function bench(
  args: string[],
  usual: readonly string[],
  longRuns: number,
  otherwise: Pick<Fault, "intervalMs"> = {},
): Promise<boolean> {
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
  const ids = chosen(values.faults, usual);
  const results = new Results(values.json, values.resume);
  const contenders: Contender["id"][] = values.against === undefined ? ["product"] : ["product", "how-to"];
  const wanted = (contender: Contender["id"], id: string) =>
    isLong(results, contender, id) ? Math.min(runs, longRuns) : runs;
  const left = (contender: Contender["id"]) =>
    ids.filter((id) => results.missing(contender, id, wanted(contender, id)));
  const sites = contenders.flatMap((contender) => SITE_KINDS.map((site) => ({ contender, site })));
  for (const { contender, site } of sites) {
    const toMake = left(contender).filter((id) => isMadeOn(faultOf(id), site));
    // The how-to page's configuration has no BGP, and one box.
    if (toMake.length === 0 || (contender === "how-to" && (site.bgp || site.boxes === 2))) continue;
    const stage = await Stage.of(contender, {
      log: (line) => console.log(line),
      agent: JSON.parse(values.agent) as AgentParameters,
      ...site,
    });
    try {
      await stage.scene();
      results.describe(await machineOf(stage.lab.box));
      for (const id of toMake) {
        console.log(`\n${contender}: ${id}. ${faultOf(id).what}`);
        while (results.missing(contender, id, wanted(contender, id))) {
          console.log(await measure(results, stage, contender, id, otherwise));
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

function faultOf(id: string): Fault {
  const fault = FAULTS.get(id);
  if (!fault) throw new Error(`--faults: there is no fault ${id}; there are ${[...FAULTS.keys()].join(", ")}.`);
  return fault;
}

/** Makes a fault once and keeps what it showed, or why it showed nothing; gives a line about it. */
async function measure(
  results: Results,
  stage: Stage,
  contender: Contender["id"],
  id: string,
  otherwise: Pick<Fault, "intervalMs">,
): Promise<string> {
  const fault = { ...faultOf(id), ...otherwise };
  const run = { contender, fault: id, at: new Date().toISOString() };
  try {
    const result = await runFault(stage, fault);
    results.add({ ...run, ...result });
    const { out, in: back, switches, times } = result;
    const told = [
      `${out.longestGapS.toFixed(2)} s, ${out.lost} lost`,
      `${back.longestGapS.toFixed(2)} s, ${back.lost} lost`,
      ...(switches === undefined ? [] : [`${switches} switches`]),
      ...Object.entries(times).map(([what, seconds]) => `${what} ${seconds.toFixed(1)} s`),
    ];
    // The limits are the product's.
    const warnings = contender === "product" ? beyond(fault.limits, result) : [];
    return [`  ${told.join("; ")}`, ...warnings.map((line) => `    ${line}`)].join("\n");
  } catch (error) {
    const { message } = error as Error;
    results.add({ ...run, error: message });
    return `  failed: ${message}`;
  }
}

/** Whether a fault is known to take long. */
function isLong(results: Results, contender: Contender["id"], id: string): boolean {
  return faultOf(id).long === true || results.of(contender, id).some(({ seconds }) => seconds >= LONG_S);
}

function chosen(text: string | undefined, usual: readonly string[]): readonly string[] {
  if (text === undefined) return usual;
  if (text === "all") return [...FAULTS.keys()];
  const ids = text.split(",");
  for (const id of ids) faultOf(id);
  return ids;
}
