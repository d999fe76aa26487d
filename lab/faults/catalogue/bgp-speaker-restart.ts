import type { Fault } from "../fault";
import kill from "./bgp-speaker-kill";

export default {
  ...kill,
  what: "The box's BGP speaker is restarted.",
  async make(scene) {
    await scene.anotherSpeaker("systemctl restart 'dual-tunnel-vpn-bgp@*'");
  },
} satisfies Fault;
