import type { Fault } from "../fault";

export default {
  what: "The failover agent is killed.",
  async make(scene) {
    await scene.anotherAgent("systemctl kill --signal=KILL 'dual-tunnel-vpn-agent@*'");
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
