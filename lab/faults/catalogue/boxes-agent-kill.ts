import type { Fault } from "../fault";

export default {
  what: "The failover agent of box 1 is killed, and is back at once.",
  boxes: 2,
  bgp: true,
  async make(scene) {
    await scene.anotherAgent("systemctl kill --signal=KILL 'dual-tunnel-vpn-agent@*'");
    await scene.well();
  },
  limits: { out: { gapS: 1.5, lost: 10 }, in: { gapS: 1.5, lost: 10 } },
  target: { out: { lost: 0 }, in: { lost: 0 } },
} satisfies Fault;
