import type { Fault } from "../fault";

export default {
  what: "A deploy gives the standby tunnel another pre-shared key.",
  long: true,
  // The lab carries 300 a second without loss where it is idle, not where its host is busy.
  intervalMs: 10,
  async make(scene) {
    const began = await scene.boxClock();
    await scene.contender.changeKeys(2);
    return { "tunnel 2 down": await scene.downFor(2, began) };
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0, times: { "tunnel 2 down": 15 } },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0, times: { "tunnel 2 down": 5 } },
} satisfies Fault;
