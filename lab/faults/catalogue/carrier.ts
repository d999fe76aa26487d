import type { Fault } from "../fault";

export default {
  what: "Uplink 1's cable is pulled.",
  async make(scene) {
    await scene.box.unplug("uplink1");
    await scene.trafficBy(2);
  },
  undo: (scene) => scene.box.plug("uplink1"),
  limits: { out: { gapS: 2 }, in: { gapS: 2.5 }, switches: 1 },
  target: { out: { maxS: 0.4 }, in: { maxS: 0.5 } },
} satisfies Fault;
