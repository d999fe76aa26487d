import type { Fault } from "../fault";

export default {
  what: "Uplink 2 goes silent while its tunnel is the standby.",
  async make(scene) {
    const began = await scene.boxClock();
    await scene.cut("uplink2");
    await scene.noticed("uplink 2 to ", began);
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
