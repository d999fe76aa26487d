// What `dual-tunnel-vpn status` is asked to say after something was done to the box.
import { setTimeout as delay } from "node:timers/promises";
import type { Lab } from "../../lab/machines/lab";

/** Seconds within which what is amiss is put right, or said by `status`. */
export const SOON_S = 5;

/**
 * Waits until status ends with 1 and says these words.
 * @throws when a status that is asked later than `withinS` seconds from now does not: how long one takes is the lab's
 */
export async function says(lab: Lab, words: string, withinS = SOON_S): Promise<void> {
  const deadline = Date.now() + withinS * 1000;
  for (;;) {
    const late = Date.now() > deadline;
    const { status, stdout } = await lab.box.execute("dual-tunnel-vpn status", { timeoutS: 60 });
    if (status === 1 && stdout.includes(words)) return;
    if (late) throw new Error(`status does not say "${words}" after ${withinS} s; it ends with ${status}:\n${stdout}`);
    await delay(100);
  }
}
