import type { Fault } from "../fault";
import drill from "./psk-drill";

export default {
  what: "The drill ends: the pre-shared key is what it was, and tunnel 1 returns by itself.",
  async prepare(scene) {
    await drill.make(scene);
    await scene.flowing();
  },
  async make(scene) {
    await drill.undo();
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
