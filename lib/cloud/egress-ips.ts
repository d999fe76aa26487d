// Egress IPs that only Terraform knows: the same checks as at synth, as preconditions.
import { Fn, Op, Precondition } from "cdktf";
import { ADDRESS_PATTERN, matches } from "../expressions";
import { isStandIn } from "../guard";
import { isLiteral } from "../structural";

// The ranges of REFUSED_FOR_CUSTOMER_GATEWAY by the text of an address.
const REFUSED = "^((0|127|22[4-9]|2[3-5][0-9])[.]|169[.]254[.]|100[.](6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])[.])";

/** Conditions of the customer gateway for one egress IP: that it is one, and is not the first one again. */
export function egressIpPreconditions(egressIps: readonly string[], index: number): Precondition[] {
  const egressIp = egressIps[index];
  const found = isLiteral(egressIp) || isStandIn(egressIp) ? [] : addressPreconditions("egressIp", egressIp);
  const [first] = egressIps;
  // cdktf's functions take no expression with quotes in it.
  const comparable = ![first, egressIp].some((each) => isStandIn(each) || (!isLiteral(each) && each.includes('"')));
  if (index > 0 && comparable && !(isLiteral(first) && isLiteral(egressIp))) {
    found.push({
      condition: Op.neq(first, egressIp),
      errorMessage: `egressIp ${egressIp} is given twice, which Alibaba Cloud refuses; with one box give it, and its uplink, once, and with two boxes give both one and the same variable.`,
    });
  }
  return found;
}

/** Conditions that text which only Terraform knows is an address that a cloud can see. */
export function addressPreconditions(what: string, address: string): Precondition[] {
  return [
    {
      condition: matches(ADDRESS_PATTERN, address),
      errorMessage: `${what} ${address} is not an IPv4 address; write it as 198.51.100.198.`,
    },
    ...(address.includes('"')
      ? []
      : [
          {
            condition: Op.not(Fn.can(Fn.regex(REFUSED, address))),
            errorMessage: `${what} ${address} is an address that no cloud sees; give the one that the cloud sees.`,
          },
        ]),
  ];
}
