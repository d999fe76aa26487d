import { IPSEC_ADDRESSES } from "../../network";
import type { Fault } from "../fault";

export default {
  what: "IPsec address 1 answers nothing any more, by whichever uplink (the cloud's own DPD: 2 s, then 5.5 s).",
  cloudTimers: { dpdDelay: 2, retransmitTimeout: 0.5, retransmitBase: 1.4, retransmitTries: 4 },
  async make(scene) {
    await scene.cloud.loseIpsecAddress(IPSEC_ADDRESSES[0]);
    await scene.trafficBy(2);
    await scene.cloudBy(2);
  },
  undo: (scene) => scene.cloud.returnIpsecAddress(IPSEC_ADDRESSES[0]),
  limits: { out: { gapS: 3 }, in: { gapS: 14 }, switches: 1 },
} satisfies Fault;
