import type { Fault } from "../fault";
import type { Scene } from "../scene";

const RULES = "table ip fault { chain forward { type filter hook forward priority 0; ip protocol icmp drop; }; }";

/** Drops ICMP between the uplinks and the cloud. */
export async function filterIcmp({ lab }: Scene): Promise<void> {
  await lab.in("inet", `nft '${RULES}'`);
}

/** Takes `filterIcmp` back. */
export async function passIcmp({ lab }: Scene): Promise<void> {
  await lab.in("inet", "nft delete table ip fault");
}

export default {
  what: "ICMP is filtered on the way from the start; then uplink 1 goes silent.",
  async prepare(scene) {
    await filterIcmp(scene);
    await scene.contender.refresh();
    await scene.well();
  },
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
  },
  async undo(scene) {
    await passIcmp(scene);
    await scene.restoreAll();
  },
  limits: { out: { gapS: 8 }, in: { gapS: 10 }, switches: 1 },
} satisfies Fault;
