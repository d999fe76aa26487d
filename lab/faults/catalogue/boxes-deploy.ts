import type { Fault } from "../fault";

export default {
  what: "A deploy changes the configuration of both boxes.",
  boxes: 2,
  bgp: true,
  long: true,
  async make(scene) {
    await scene.contender.reconfigure();
    await scene.well();
  },
  limits: { out: { lost: 3 }, in: { lost: 3 } },
  target: { out: { lost: 0 }, in: { lost: 0 } },
} satisfies Fault;
