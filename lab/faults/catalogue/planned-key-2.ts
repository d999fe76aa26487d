import type { Fault } from "../fault";

export default {
  what: "A deploy gives the standby tunnel another pre-shared key.",
  long: true,
  // The lab carried 300 a second without loss for 20 s, but not for minutes on a busy host.
  intervalMs: 10,
  async make(scene) {
    const began = await scene.boxClock();
    await scene.contender.changeKeys(2);
    return { "tunnel 2 down": await scene.downFor(2, began) };
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0, times: { "tunnel 2 down": 15 } },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0, times: { "tunnel 2 down": 5 } },
} satisfies Fault;
