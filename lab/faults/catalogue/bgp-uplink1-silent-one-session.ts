import type { Fault } from "../fault";

export default {
  what: "Uplink 1 goes silent, and the cloud has a BGP session with the active tunnel alone: the tunnel goes on by uplink 2.",
  bgp: true,
  async prepare(scene) {
    await scene.cloud.setOptions({ activeSessionOnly: true });
    await scene.flowing();
  },
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
  },
  async undo(scene) {
    await scene.cloud.setOptions({ activeSessionOnly: false });
    await scene.restoreAll();
  },
  limits: { out: { gapS: 3 }, in: { gapS: 8 }, switches: 1 },
} satisfies Fault;
