import type { Fault } from "../fault";

let repair: () => Promise<void>;

export default {
  what: "The drill ends: the pre-shared key is what it was, and tunnel 1 returns by itself.",
  async prepare(scene) {
    repair = await scene.contender.breakActivePsk();
    await scene.trafficBy(2);
    await scene.flowing();
  },
  async make(scene) {
    await repair();
    const began = Date.now();
    await scene.bothUp();
    const up = (Date.now() - began) / 1000;
    await scene.trafficBy(1);
    await scene.cloudBy(1);
    return { "tunnel 1 up": up };
  },
  limits: { out: { gapS: 1.5 }, in: { gapS: 1.5 }, switches: 2, times: { "tunnel 1 up": 15 } },
  target: { out: {}, in: {}, times: { "tunnel 1 up": 5 } },
} satisfies Fault;
