import type { Fault } from "../fault";

export default {
  what: "A deploy gives the active tunnel another pre-shared key: traffic goes by the standby meanwhile, and returns.",
  long: true,
  // The lab carried 300 a second without loss for 20 s, but not for minutes on a busy host.
  intervalMs: 10,
  async make(scene) {
    const began = await scene.boxClock();
    await scene.contender.changeKeys(1);
    await scene.trafficBy(1);
    await scene.cloudBy(1);
    return { "tunnel 1 down": await scene.downFor(1, began) };
  },
  // Static routing: the cloud sends into the tunnel until its own end of it, and is moved by that.
  limits: { out: { lost: 0 }, in: { lost: 150 }, switches: 2, times: { "tunnel 1 down": 15 } },
  target: { out: { lost: 0 }, in: { lostWithSa: 0 }, switches: 2, times: { "tunnel 1 down": 5 } },
} satisfies Fault;
