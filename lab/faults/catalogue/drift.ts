import type { Fault } from "../fault";

export default {
  what: "Somebody deletes tunnel 1's XFRM interface, the route to the VPC, the probes' rules and all of nftables.",
  async make(scene) {
    const [device] = scene.contender.interfaces;
    await scene.box.succeed(
      `nft flush ruleset; ip rule del priority 5157; ip rule del priority 5157; ip link del ${device}`,
    );
    await scene.trafficBy(1);
    await scene.box.waitUntilSucceeds(`[ "$(ip rule | grep -c '^5157:')" = 2 ] && nft list ruleset | grep -q outer`);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 3 } },
} satisfies Fault;
