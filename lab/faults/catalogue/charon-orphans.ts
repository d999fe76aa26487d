import type { Fault } from "../fault";

export default {
  what: "charon is killed twice: the IPsec states that it leaves in the kernel are removed, and only those.",
  long: true,
  async make(scene) {
    for (let times = 0; times < 2; times += 1) {
      await scene.box.succeed("systemctl kill --signal=KILL strongswan");
      await scene.bothUp();
    }
    // Two directions of two tunnels.
    await scene.box.waitUntilSucceeds("[ \"$(ip xfrm state | grep -c '^src')\" = 4 ]", { timeoutS: 90 });
    await scene.bothUp();
  },
  limits: { out: { gapS: 3 }, in: { gapS: 6 } },
} satisfies Fault;
