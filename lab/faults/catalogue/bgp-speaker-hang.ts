import type { Fault } from "../fault";

export default {
  what: "The box's BGP speaker hangs (SIGSTOP): it is killed and started anew.",
  bgp: true,
  async make(scene) {
    await scene.anotherSpeaker("systemctl kill --signal=STOP 'dual-tunnel-vpn-bgp@*'");
  },
  limits: { out: { lost: 0 }, in: { gapS: 12 }, switches: 0 },
} satisfies Fault;
