import type { Fault } from "../fault";
import silent from "./bgp-uplink1-silent";

export default {
  ...silent,
  what: "The same with a cloud that ignores the MED and offers graceful restart too.",
  async prepare(scene) {
    await scene.cloud.setOptions({ ignoreMed: true, gracefulRestart: true });
    await scene.well();
  },
} satisfies Fault;
