import type { Fault } from "../fault";
import failback from "./failback";

export default {
  ...failback,
  what: "Uplink 1 is repaired after the cloud was told by a DELETE to use tunnel 2: tunnel 1 is negotiated anew.",
  peer: "ike-only",
  async prepare(scene) {
    await failback.prepare(scene);
    await scene.cloudBy(2);
  },
  // The cloud sends by the new tunnel as soon as it has answered, the box has it only when it has read the answer.
  limits: { ...failback.limits, in: { gapS: 2, lost: 20 } },
} satisfies Fault;
