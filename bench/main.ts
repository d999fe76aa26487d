// `npm run bench -- NAME [options]`: measurements whose targets the project holds itself to.
import { benchAgent } from "./agent";
import { benchBoxes, benchFailover, benchPlanned } from "./failover";
import { benchKillWalk } from "./kill-walk";
import { benchSynth } from "./synth";
import { benchThroughput } from "./throughput";

const BENCHMARKS: Record<string, (args: string[]) => Promise<boolean>> = {
  agent: benchAgent,
  boxes: benchBoxes,
  failover: benchFailover,
  "kill-walk": benchKillWalk,
  planned: benchPlanned,
  synth: benchSynth,
  throughput: benchThroughput,
};

async function main([name, ...args]: string[]): Promise<void> {
  if (name === undefined || !(name in BENCHMARKS)) {
    console.error(`bench: give one of ${Object.keys(BENCHMARKS).join(", ")}, for example "npm run bench -- synth".`);
    process.exitCode = 2;
    return;
  }
  if (!(await BENCHMARKS[name](args))) process.exitCode = 1;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
});
