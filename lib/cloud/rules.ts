// The API's rules for names, descriptions and tags, each returning the end of a sentence when it is broken.
// Source: Alibaba's API description (CreateVpnGateway, CreateCustomerGateway, CreateVpnConnection).
import { contains, knownBlocks } from "../ip";
import { isLiteral } from "../structural";

/** A VPN gateway's name. */
export function gatewayNameProblem(name: string): string | undefined {
  if (/^[A-Za-z][A-Za-z0-9._-]{1,99}$/.test(name) && !/^https?:\/\//.test(name)) return undefined;
  return "must be 2 to 100 letters, digits and . _ - that start with a letter";
}

/** A customer gateway's or a connection's name, or a description. */
export function textProblem(text: string): string | undefined {
  if (text.length < 1 || text.length > 100) return `has ${text.length} characters; give 1 to 100`;
  if (/^https?:\/\//.test(text)) return "starts with http:// or https://, which the API refuses; write it without";
  return undefined;
}

/** All that is wrong with tags, each a sentence. */
export function tagProblems(tags: Readonly<Record<string, string>> = {}): string[] {
  const problems: string[] = [];
  const entries = Object.entries(tags);
  if (entries.length > 20) problems.push(`tags has ${entries.length} entries; give at most 20.`);
  for (const [key, value] of entries) {
    if (isLiteral(key) && (key.length < 1 || key.length > 64)) {
      problems.push(`tags: the key "${key}" has ${key.length} characters; give 1 to 64.`);
    }
    if (isLiteral(value) && value.length > 128)
      problems.push(`tags.${key} has ${value.length} characters; give at most 128.`);
    for (const [what, text] of [
      [`the key "${key}"`, key],
      [`the value of "${key}"`, value],
    ]) {
      if (/^(aliyun|acs:)/.test(text) || /https?:\/\//.test(text)) {
        problems.push(`tags: ${what} starts with aliyun or acs:, or holds http:// or https://, which the API refuses.`);
      }
    }
  }
  return problems;
}

/**
 * Address ranges that no customer gateway has: what the API refuses (CreateCustomerGateway, `IpAddress`), and the other
 * ranges of which no address is ever seen as a sender (RFC 6890).
 */
export const REFUSED_FOR_CUSTOMER_GATEWAY = knownBlocks(
  "0.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "240.0.0.0/4",
);

/** Ranges of which no network is ever made (RFC 6890). */
export const NO_NETWORKS = knownBlocks("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4");

const ID_KINDS = {
  "vpn-": "a VPN gateway",
  "vpc-": "a VPC",
  "vsw-": "a vSwitch",
  "cgw-": "a customer gateway",
  "vco-": "an IPsec connection",
  "rg-": "a resource group",
} as const;

/** What is wrong with an id, as a sentence; undefined when nothing is, and for what only Terraform knows. */
export function idProblem(what: string, id: string | undefined, prefix: keyof typeof ID_KINDS): string | undefined {
  if (id === undefined || !isLiteral(id)) return undefined;
  if (id.startsWith(prefix) && /^[A-Za-z0-9-]+$/.test(id.slice(prefix.length))) return undefined;
  return `${what} "${id}" is not the id of ${ID_KINDS[prefix]}; write it as ${prefix}….`;
}

/** What is wrong with an egress IP, as a sentence; undefined when nothing is. */
export function egressIpProblem(what: string, address: string): string | undefined {
  const range = isLiteral(address) && REFUSED_FOR_CUSTOMER_GATEWAY.find((block) => contains(block, address));
  if (!range) return undefined;
  return `${what} ${address} lies in ${range.text}, which Alibaba Cloud refuses; give the address that the cloud sees.`;
}

/** Private ranges (RFC 1918): no egress IP of a public connection lies in them. */
export const PRIVATE_RANGES = knownBlocks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16");
