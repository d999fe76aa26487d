import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault";

export default {
  what: "For a minute uplink 1 is silent for 3 s and well for 3 s, by turns; then it stays well.",
  long: true,
  async make(scene) {
    for (let turn = 0; turn < 10; turn += 1) {
      await scene.cut("uplink1");
      await delay(3000);
      await scene.restore("uplink1");
      await delay(3000);
    }
    await scene.trafficBy(1, 120);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 4 }, switches: 2 },
  target: { out: {}, in: {}, switches: 2 },
} satisfies Fault;
