import type { Fault } from "../fault";
import kill from "./bgp-speaker-kill";

export default {
  ...kill,
  what: "The box's package manager installs BIRD anew, as an upgrade does, and the speaker is restarted.",
  async make(scene) {
    await scene.box.succeed("DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --reinstall install bird2", {
      timeoutS: 240,
    });
    await scene.anotherSpeaker("systemctl restart 'dual-tunnel-vpn-bgp@*'");
  },
} satisfies Fault;
