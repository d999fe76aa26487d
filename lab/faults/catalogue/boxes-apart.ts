import type { Fault } from "../fault";

export default {
  what: "The two boxes lose sight of each other on the LAN, so that both have the shared address, and see each other again.",
  boxes: 2,
  bgp: true,
  async make(scene) {
    await scene.lab.separate();
    await scene.gatewayAt(1, 2);
    await scene.flowing();
    await scene.lab.join();
    await scene.well();
  },
  limits: { out: { lost: 3 }, in: { lost: 3 } },
  target: { out: { lost: 0 }, in: { lost: 0 } },
} satisfies Fault;
