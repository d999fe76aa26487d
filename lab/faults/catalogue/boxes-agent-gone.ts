import { AGENT } from "../product";
import type { Fault } from "../fault";

export default {
  what: "The failover agent of box 1 is stopped, and nothing starts it again: box 2 takes the shared address.",
  boxes: 2,
  bgp: true,
  async make(scene) {
    await scene.box.succeed(`systemctl stop ${AGENT}`);
    await scene.gatewayAt(2);
    await scene.cloudBy(2);
  },
  async undo(scene) {
    await scene.box.succeed(`systemctl start ${AGENT}`);
  },
  limits: { out: { gapS: 1.5, lost: 3 }, in: { gapS: 1.5, lost: 3 } },
  target: { out: { lost: 0 }, in: { lost: 0 } },
} satisfies Fault;
