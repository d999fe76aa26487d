// Lifetimes of SAs: the bounds that both ends keep, and when the box renews.
import { isLiteral } from "../structural";

/** The longest lifetime that the API takes, in seconds (CreateVpnConnection, `IkeLifetime` and `IpsecLifetime`). */
export const LONGEST_LIFETIME = 86400;

/** The shortest lifetime that we accept, in seconds: below it a lossy line spends its time rekeying. */
const SHORTEST_LIFETIME = 60;

/** What is wrong with a lifetime, as a sentence without its tunnel; none when nothing is. */
export function lifetimeProblems(what: string, seconds: number): string[] {
  if (Number.isInteger(seconds) && seconds >= SHORTEST_LIFETIME && seconds <= LONGEST_LIFETIME) return [];
  const given = isLiteral(seconds) ? `is ${seconds}` : "is known only to Terraform";
  return [`${what} ${given}; give a whole number of seconds from ${SHORTEST_LIFETIME} to ${LONGEST_LIFETIME}.`];
}

/**
 * When the box renews an SA of a lifetime: at 80 to 90 % of it, with the rest as margin. The hard end is the lifetime
 * that the cloud has, whichever end renews first.
 */
export function rekeyTimes(lifetimeSeconds: number): { rekey: number; margin: number } {
  const margin = Math.max(1, Math.floor(lifetimeSeconds / 10));
  return { rekey: lifetimeSeconds - margin, margin };
}
