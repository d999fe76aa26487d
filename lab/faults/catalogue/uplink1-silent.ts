import type { Fault } from "../fault";

export default {
  what: "Everything on uplink 1 is dropped silently, both ways; its carrier stays.",
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2, 300);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 4 }, switches: 1 },
  target: { out: { medianS: 0.8, maxS: 1.2 }, in: { medianS: 1.1, maxS: 1.6 } },
} satisfies Fault;
