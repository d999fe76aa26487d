import type { Fault } from "../fault";

export default {
  what: "The box's BGP speaker is killed.",
  bgp: true,
  async make(scene) {
    await scene.anotherSpeaker("systemctl kill --signal=KILL 'dual-tunnel-vpn-bgp@*'");
  },
  // The cloud has no way to the data center until a session is there again: graceful restart is off.
  limits: { out: { lost: 0 }, in: { gapS: 8 }, switches: 0 },
  target: { out: { lost: 0 }, in: { maxS: 2.8 }, switches: 0 },
} satisfies Fault;
