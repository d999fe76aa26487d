import type { Fault } from "../fault";
import silent from "./boxes-uplink1-silent";

export default {
  ...silent,
  what: "The uplink's cable of box 1 is pulled: it keeps the shared address, and leads traffic to box 2.",
  async make(scene) {
    await scene.box.unplug("uplink1");
    await scene.trafficBy(2);
    await scene.gatewayAt(1);
    await scene.cloudBy(2);
  },
  undo: (scene) => scene.box.plug("uplink1"),
} satisfies Fault;
