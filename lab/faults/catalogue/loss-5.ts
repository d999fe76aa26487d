import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault";

export default {
  what: "For ten minutes uplink 1 loses 5 % of the packets at random, in each direction.",
  long: true,
  async make(scene) {
    await scene.impair("uplink1", { lossPercent: 5 });
    await delay(600_000);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 4 }, switches: 0 },
  target: { out: {}, in: {}, switches: 0 },
} satisfies Fault;
