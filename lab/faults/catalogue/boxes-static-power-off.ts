import type { Fault } from "../fault";
import powerOff from "./boxes-power-off";
import { CLOUD_TIMERS, OWN_DETECTION_S } from "./uplink1-silent-pinned";

export default {
  what: "Box 1 of a site with two boxes and static routes loses its power: nobody can tell the cloud (its own DPD: 2 s, then 5.5 s).",
  boxes: 2,
  long: true,
  cloudTimers: CLOUD_TIMERS,
  make: (scene) => powerOff.make(scene),
  undo: (scene) => powerOff.undo(scene),
  limits: { out: { gapS: 3 }, in: { gapS: OWN_DETECTION_S + 4 } },
  target: { out: { maxS: 0.9 }, in: { maxS: OWN_DETECTION_S + 2 } },
} satisfies Fault;
