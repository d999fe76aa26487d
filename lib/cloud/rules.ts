// The API's rules for names, descriptions and tags, each returning the end of a sentence when it is broken.
// Source: Alibaba's API description (CreateVpnGateway, CreateCustomerGateway, CreateVpnConnection).
import { knownBlocks } from "../ip";

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
    if (key.length < 1 || key.length > 64) {
      problems.push(`tags: the key "${key}" has ${key.length} characters; give 1 to 64.`);
    }
    if (value.length > 128) problems.push(`tags.${key} has ${value.length} characters; give at most 128.`);
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

/** Address ranges that the API refuses for a customer gateway (CreateCustomerGateway, `IpAddress`). */
export const REFUSED_FOR_CUSTOMER_GATEWAY = knownBlocks(
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "255.0.0.0/8",
);

/** Private ranges (RFC 1918): no egress IP of a public connection lies in them. */
export const PRIVATE_RANGES = knownBlocks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16");
