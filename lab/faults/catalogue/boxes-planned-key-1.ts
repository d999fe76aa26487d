import type { Fault } from "../fault";
import key1 from "./bgp-planned-key-1";

export default {
  ...key1,
  what: "A deploy gives the active tunnel of a site with two boxes another pre-shared key: box 2 carries meanwhile.",
  boxes: 2,
} satisfies Fault;
