import type { Fault } from "../fault";
import powerOff from "./boxes-power-off";

export default {
  what: "The LAN of box 1 goes silent, its carrier stays: box 2 takes the shared address, and tells the cloud.",
  boxes: 2,
  bgp: true,
  prepare: (scene) => powerOff.prepare(scene),
  async make(scene) {
    await scene.cut("lan");
    // Box 1 may keep the address: it cannot know that nobody hears it.
    await scene.cloudBy(2);
  },
  limits: powerOff.limits,
  target: powerOff.target,
} satisfies Fault;
