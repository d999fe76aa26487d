import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault";

/** Long enough for every path to be found dead, too short for the tunnels to be given up. */
const OUTAGE_MS = 4000;

export default {
  what: "Both uplinks go silent for 4 s, then uplink 2 returns.",
  async make(scene) {
    await Promise.all([scene.cut("uplink1"), scene.cut("uplink2")]);
    await delay(OUTAGE_MS);
    const began = Date.now();
    await scene.restore("uplink2");
    // By tunnel 2, or by tunnel 1 moved to uplink 2: whichever is ready first.
    await scene.flowing();
    return { "flowing again": (Date.now() - began) / 1000 };
  },
  limits: { out: { gapS: 10 }, in: { gapS: 11 }, times: { "flowing again": 12 } },
} satisfies Fault;
