import type { Fault } from "../fault";

export default {
  what: "Box 1 of a site with two boxes and BGP loses its power.",
  boxes: 2,
  bgp: true,
  // It boots again before all is well.
  long: true,
  async prepare(scene) {
    // The machines of a stage were not saved in one moment: TCP that lived on is still busy with what was lost between.
    await scene.anotherSpeaker("systemctl restart 'dual-tunnel-vpn-bgp@*'");
    await scene.well();
  },
  async make(scene) {
    await scene.box.stop();
    await scene.gatewayAt(2);
    await scene.cloudBy(2);
  },
  async undo(scene) {
    await scene.box.powerOn();
    await scene.box.waitForSsh();
  },
  limits: { out: { gapS: 3 }, in: { gapS: 5 } },
  target: { out: { maxS: 0.9 }, in: { maxS: 1.5 } },
} satisfies Fault;
