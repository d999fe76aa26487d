import { UPLINKS } from "../../network";
import type { Fault } from "../fault";

export default {
  what: "Everything on uplink 1 is dropped silently, on a box with a rule by source and a table for each uplink.",
  async prepare(scene) {
    // As most guides for two providers tell. Without a priority they come before every rule that is there.
    for (const { number, address, gateway } of UPLINKS) {
      const table = 100 + number;
      await scene.box.succeed(
        `ip route add default via ${gateway} table ${table}; ip rule add from ${address} lookup ${table}`,
      );
    }
    await scene.untroubled();
  },
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2, 300);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 4 }, switches: 1 },
  target: { out: { medianS: 0.8, maxS: 1.2 }, in: { medianS: 1.1, maxS: 1.6 } },
} satisfies Fault;
