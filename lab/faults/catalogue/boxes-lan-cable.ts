import type { Fault } from "../fault";
import powerOff from "./boxes-power-off";

export default {
  what: "The LAN's cable of box 1 is pulled: box 2 takes the shared address.",
  boxes: 2,
  bgp: true,
  prepare: (scene) => powerOff.prepare(scene),
  async make(scene) {
    await scene.box.unplug("lan");
    await scene.gatewayAt(2);
    await scene.cloudBy(2);
  },
  undo: (scene) => scene.box.plug("lan"),
  limits: powerOff.limits,
  target: powerOff.target,
} satisfies Fault;
