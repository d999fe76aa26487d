import type { Fault } from "../fault";

export default {
  what: "Uplink 1 goes silent on a site with BGP; the cloud offers 60 and 180 s and ignores whatever of tunnel 1 comes from the other egress IP.",
  bgp: true,
  peer: "pinned",
  async prepare(scene) {
    // The machines of a stage were not saved in one moment: TCP that lived on is still busy with what was lost between.
    await scene.anotherSpeaker("systemctl restart 'dual-tunnel-vpn-bgp@*'");
    await scene.well();
  },
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
    await scene.cloudBy(2);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 5 }, switches: 1 },
  target: { out: { medianS: 0.8, maxS: 1.2 }, in: { medianS: 0.9, maxS: 1.4 } },
} satisfies Fault;
