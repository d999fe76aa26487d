import type { Fault } from "../fault";
import powerOff from "./boxes-power-off";

export default {
  what: "The LAN of box 1 goes silent, its carrier stays: box 2 takes the shared address, and tells the cloud.",
  boxes: 2,
  bgp: true,
  prepare: (scene) => powerOff.prepare(scene),
  async make(scene) {
    await scene.cut("lan");
    // Box 1 knows the server, and gives the address up once that has not answered it for a second.
    await scene.gatewayAt(2);
    await scene.cloudBy(2);
  },
  limits: powerOff.limits,
  target: powerOff.target,
} satisfies Fault;
