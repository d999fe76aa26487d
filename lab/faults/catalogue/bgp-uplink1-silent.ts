import type { Fault } from "../fault";

export default {
  what: "Uplink 1 goes silent on a site with BGP; the cloud offers 60 and 180 s and ignores whatever of tunnel 1 comes from the other egress IP.",
  bgp: true,
  peer: "pinned",
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
    await scene.cloudBy(2);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 4 }, switches: 1 },
  target: { out: { medianS: 0.8, maxS: 1.2 }, in: { medianS: 0.9, maxS: 1.4 } },
} satisfies Fault;
