import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault";

export default {
  what: "Uplink 1 becomes slower by 300 ms for a round trip, from one moment to the next.",
  async make(scene) {
    await scene.impair("uplink1", { delayMs: 150 });
    // Twenty times as long as the agent needs to find a path dead.
    await delay(10_000);
  },
  // Whatever is queued when the delay begins may be lost with the queue that it takes the place of.
  limits: { out: { gapS: 1.5, lost: 5 }, in: { gapS: 1.5, lost: 5 }, switches: 0 },
} satisfies Fault;
