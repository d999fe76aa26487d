// `npm run demo`: the how-to page, end to end, on this machine and with no cloud account.
import * as fs from "node:fs";
import { parseArgs } from "node:util";
import { Reporter } from "./reporter";
import { runDemo } from "./scenario";

const HELP = `usage: npm run demo -- [--keep] [--json FILE]
  --keep       leave the machines up afterwards, for play (npm run lab -- status | shell box | down)
  --json FILE  also write what was checked and how long each step took to FILE`;

async function main(): Promise<number> {
  let values: { keep?: boolean; json?: string; help?: boolean };
  try {
    ({ values } = parseArgs({
      options: { keep: { type: "boolean" }, json: { type: "string" }, help: { type: "boolean", short: "h" } },
    }));
  } catch (error) {
    console.error(`demo: ${(error as Error).message}\n${HELP}`);
    return 2;
  }
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const reporter = new Reporter();
  let ended: Error | undefined;
  try {
    await runDemo(reporter, { keep: values.keep ?? false });
  } catch (error) {
    ended = error as Error;
  }
  const held = reporter.summary() && ended === undefined;
  if (ended !== undefined) console.error(`demo: ${ended.message}`);
  if (values.json) {
    const { checks, times } = reporter;
    fs.writeFileSync(values.json, JSON.stringify({ held, seconds: reporter.elapsed(), times, checks }, null, 2) + "\n");
  }
  return held ? 0 : 1;
}

void main().then((status) => {
  process.exitCode = status;
});
