// Before the faults: the stage that both labs bring back is made where none is kept, or each would make one.
import { Stage } from "../../../lab/faults/stage";
import { FULL } from "../full";

/** Traffic returns after a second: how long the hold is matters to the long faults only. */
export const AGENT = FULL ? {} : { holdSeconds: 1 };

/** Prints a line at once. */
export const tell = (line: string) => process.stderr.write(`       ${line}\n`);

export default async function prepare(): Promise<void> {
  await (await Stage.of("product", { agent: AGENT, log: tell })).stop();
}
