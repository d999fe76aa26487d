import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault";

export default {
  what: "For ten minutes uplink 1 loses 10 % of the packets at random, in each direction.",
  long: true,
  async make(scene) {
    await scene.impair("uplink1", { lossPercent: 10 });
    await delay(600_000);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 4 }, switches: 1 },
  target: { out: {}, in: {}, switches: 1 },
} satisfies Fault;
