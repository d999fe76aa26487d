import type { Fault } from "../fault";

export default {
  what: "The failover agent is killed while tunnel 1 lives by uplink 2.",
  async prepare(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
    await scene.flowing();
  },
  async make(scene) {
    await scene.anotherAgent("systemctl kill --signal=KILL 'dual-tunnel-vpn-agent@*'");
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
