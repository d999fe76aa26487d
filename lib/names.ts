// The names that derive from a connection's NAME: in Terraform, and of tunnels on the box. So two connections never meet,
// and a second deploy finds what the first made. A changed name replaces what has it.
import { TerraformProvider } from "cdktf";
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

/** The names in Terraform's addresses of all that belongs to a connection. */
export interface TerraformNames {
  readonly gateway: string;
  readonly secondVswitch: string;
  readonly connection: string;
  /** Beginning of the name of a customer gateway whose address cannot name it. */
  readonly customerGateway: string;
  /** A route by what `blockKey` makes of its blocks. */
  route(...keys: readonly string[]): string;
  /** A tunnel's pre-shared key variable: a shell can export TF_VAR_ with it. */
  pskVariable(role: "active" | "standby"): string;
  readonly box: string;
  readonly presence: string;
  readonly preparation: string;
  readonly configuration: string;
  /** The local that holds a file of the box. */
  file(file: string): string;
}

/**
 * Names with the NAME as their beginning: letters, digits and underscores.
 *
 * @param number which box of a pair; undefined where the connection has one box
 */
export function terraformNames(name: string, number?: 1 | 2): TerraformNames {
  const prefix = name.replace(/-/g, "_");
  const box = number === undefined ? "box" : `box_${number}`;
  // At the end: in front of it, it would be a file of the connection NAME-box-1.
  const ofBox = number === undefined ? "" : `_of_box_${number}`;
  return {
    gateway: `${prefix}_gateway`,
    secondVswitch: secondVswitchName(`${prefix}_gateway`),
    connection: `${prefix}_connection`,
    customerGateway: `${prefix}_customer_gateway`,
    route: (...keys) => `${prefix}_route_${keys.join("_to_")}`,
    pskVariable: (role) => `${prefix}_psk_${role}`,
    box: `${prefix}_${box}`,
    presence: `${prefix}_${box}_presence`,
    preparation: `${prefix}_prepare_${box}_over_ssh`,
    configuration: `${prefix}_configure_${box}_over_ssh`,
    file: (file) => `${prefix}_${file.replace(/[-.]/g, "_")}${ofBox}`,
  };
}

/** Name of what remembers the second vSwitch of a gateway. */
export function secondVswitchName(gateway: string): string {
  return `${gateway}_second_vswitch`;
}

/** What tells a block's route from the others' whatever their order: its text where known, else its place in the list. */
export function blockKey(cidr: string, index: number): string {
  return /^[0-9./]+$/.test(cidr) ? cidr.replace(/[./]/g, "_") : `number_${index + 1}`;
}

/**
 * Name of the customer gateway of an address; undefined when it is known only to Terraform, or is none. The API refuses a
 * second one with the same address, so one whose address moves to the other tunnel, or to another site, has to stay the
 * same resource.
 */
export function customerGatewayName(egressIp: string, provider?: TerraformProvider): string | undefined {
  if (!/^[0-9.]+$/.test(egressIp)) return undefined;
  return [provider?.alias, "customer_gateway", egressIp.replace(/\./g, "_")].filter((part) => part).join("_");
}

const PLACES = new WeakMap<Construct, string>();

/** Names a site's customer gateways by their place in it where their addresses cannot name them. */
export function nameCustomerGateways(site: Construct, prefix: string): void {
  PLACES.set(site, prefix);
}

/** What the names of customer gateways made directly in a construct begin with; undefined outside of a site. */
export function customerGatewayPrefix(scope: Construct): string | undefined {
  return PLACES.get(scope);
}
