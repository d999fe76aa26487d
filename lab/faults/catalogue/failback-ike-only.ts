import type { Fault } from "../fault";

export default {
  what: "Uplink 1 is repaired after the cloud was told by a DELETE to use tunnel 2: tunnel 1 is negotiated anew.",
  peer: "ike-only",
  async prepare(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
    await scene.cloudBy(2);
    await scene.flowing();
  },
  async make(scene) {
    await scene.restore("uplink1");
    await scene.trafficBy(1);
    await scene.cloudBy(1);
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 2 },
} satisfies Fault;
