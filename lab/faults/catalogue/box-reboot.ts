import type { Fault } from "../fault";

export default {
  what: "The box reboots.",
  long: true,
  async make(scene) {
    await scene.box.reboot();
    await scene.bothUp(120);
    await scene.trafficBy(1, 120);
  },
  limits: { out: { gapS: 180 }, in: { gapS: 180 } },
} satisfies Fault;
