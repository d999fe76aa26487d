// Before the faults: the stage that both labs bring back is made where none is kept, or each would make one.
import { Stage } from "../../../lab/faults/stage";

/** Whether the faults that take a minute or more are made too. */
export const FULL = process.env.DUAL_TUNNEL_VPN_TEST === "full";

/** Traffic returns after a second: how long the hold is matters to the long faults only. */
export const AGENT = FULL ? {} : { holdSeconds: 1 };

/** Prints a line at once. */
export const tell = (line: string) => process.stderr.write(`       ${line}\n`);

export default async function prepare(): Promise<void> {
  await (await Stage.of("product", { agent: AGENT, log: tell })).stop();
}
