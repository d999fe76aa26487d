// The names and numbers on a box that derive from a connection's NAME, so that two connections never meet
// and a second apply finds what the first made.
import { Construct } from "constructs";

/** The form of a connection's NAME: short enough that `NAME-2` is an interface name (at most 15 characters). */
export const NAME_FORM = "[a-z][a-z0-9-]{0,10}";

/** What is wrong with a NAME, as the end of a sentence; undefined when nothing is. */
export function nameProblem(name: string): string | undefined {
  if (new RegExp(`^${NAME_FORM}$`).test(name)) return undefined;
  return "must be 1 to 11 lower-case letters, digits and hyphens that start with a letter, because interfaces on the box are named after it";
}

/** Name of a tunnel's swanctl connection, child and XFRM interface. */
export function tunnelName(name: string, tunnel: 1 | 2): string {
  return `${name}-${tunnel}`;
}

/** Name of a tunnel's pre-shared key variable: letters, digits and underscores, so that a shell can export TF_VAR_<name>. */
export function pskVariableName(name: string, role: "active" | "standby"): string {
  return `${name.replace(/-/g, "_")}_psk_${role}`;
}

/** A connection's NAME as a Terraform identifier's beginning. */
export function terraformName(name: string): string {
  return name.replace(/-/g, "_");
}

const PLACES = new WeakMap<Construct, string>();

/**
 * Names a site's customer gateways by their place in it where their addresses cannot name them. Elsewhere the API's rule
 * names them: it refuses a second one with the same address, so one whose address moves to the other tunnel, or to
 * another site, has to stay the same resource.
 */
export function nameCustomerGateways(site: Construct, prefix: string): void {
  PLACES.set(site, prefix);
}

/** What the names of customer gateways made directly in a construct begin with; undefined outside of a site. */
export function customerGatewayPrefix(scope: Construct): string | undefined {
  return PLACES.get(scope);
}
