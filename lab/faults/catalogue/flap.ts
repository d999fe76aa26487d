import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault";

export default {
  what: "For a minute uplink 1 is silent for 3 s and well for 3 s, by turns; then it stays well.",
  long: true,
  async make(scene) {
    const began = Date.now();
    const at = (seconds: number) => delay(Math.max(0, began + seconds * 1000 - Date.now()));
    for (let turn = 0; turn < 10; turn += 1) {
      await scene.cut("uplink1");
      await at(6 * turn + 3);
      await scene.restore("uplink1");
      await at(6 * turn + 6);
    }
    await scene.trafficBy(1, 120);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 4 }, switches: 2 },
  target: { out: {}, in: {}, switches: 2 },
} satisfies Fault;
