import type { Fault } from "../fault";
import hold from "./planned-hold";

export default {
  ...hold,
  what: "The active tunnel is held as for a change, the cloud led away from it by BGP too, and released.",
  bgp: true,
} satisfies Fault;
