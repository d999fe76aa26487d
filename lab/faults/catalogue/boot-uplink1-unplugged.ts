import type { Fault } from "../fault";

export default {
  what: "The box reboots with uplink 1's cable pulled.",
  long: true,
  async make(scene) {
    await scene.box.unplug("uplink1");
    await scene.box.reboot();
    await scene.trafficBy(2, 120);
  },
  undo: (scene) => scene.box.plug("uplink1"),
  limits: { out: { gapS: 180 }, in: { gapS: 180 } },
} satisfies Fault;
