// Where a machine is: a name of the DNS, or an address.
import { isIPv6 } from "node:net";
import { parseAddress } from "../ip";

// Names of hosts hold no underscore by the book (RFC 1123), and some have one.
const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

/** What is wrong with a host, as the end of a sentence; undefined when nothing is. `where` names the options beside it. */
export function hostProblem(host: string, where: string): string | undefined {
  const withPort = /^([^:[\]]+|\[[^\]]*\]):(\d+)$/.exec(host);
  if (withPort) return `holds a port; write ${withPort[1].replace(/[[\]]/g, "")}, and ${where}.port ${withPort[2]}`;
  const remedy = "write it as box.example.com or 192.0.2.1";
  if (isIPv6(host) && !host.includes("%")) return undefined;
  // What is all numbers is never looked up as a name.
  if (/^[0-9.]+$/.test(host)) {
    const address = parseAddress(host);
    if (address === undefined) return `is not an IPv4 address; ${remedy}`;
    const first = Math.floor(address / 2 ** 24);
    return first === 0 || first >= 224 ? `is no machine's address; ${remedy}` : undefined;
  }
  const labels = host.replace(/\.$/, "").split(".");
  const isName = host.length <= 253 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1)!);
  return isName ? undefined : `is neither a name nor an address; ${remedy}`;
}
