import type { Fault } from "../fault";
import key1 from "./planned-key-1";

export default {
  ...key1,
  what: "A deploy gives the active tunnel another pre-shared key; the cloud is told by BGP to leave it first.",
  bgp: true,
  limits: { ...key1.limits, in: { lost: 3 } },
  target: { ...key1.target, in: { lost: 0 } },
} satisfies Fault;
