import type { Fault } from "../fault";
import key2 from "./planned-key-2";

export default { ...key2, bgp: true } satisfies Fault;
