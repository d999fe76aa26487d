// Blocks that only Terraform knows: the same checks as at synth, as preconditions.
import { Fn, IResolvable, Op, Precondition, Token } from "cdktf";
import { Block, parseBlock, SHARED_ADDRESS_SPACE } from "../ip";
import { isLiteral } from "../structural";

/** A block with the words that name it in a sentence. */
export interface NamedBlock {
  /** `vpcCidrs`, `dataCenterCidrs`, or the words for an uplink's network. */
  readonly what: string;
  readonly cidr: string;
}

// Whole prefixes of the ranges in NO_NETWORKS, and everything: by the text, because a block without host bits has one only.
const NO_NETWORK =
  "^((0|127)[.][0-9.]+/([89]|[12][0-9]|3[0-2])|169[.]254[.][0-9.]+/(1[6-9]|2[0-9]|3[0-2])|(22[4-9]|2[3-5][0-9])[.][0-9.]+/([4-9]|[12][0-9]|3[0-2])|0[.]0[.]0[.]0/0)$";

/** Conditions that each block that synth could not read is one, without host bits, and of a network that there can be. */
export function blockPreconditions(blocks: readonly NamedBlock[]): Precondition[] {
  return blocks
    .filter(isComparable)
    .filter(({ cidr }) => !isLiteral(cidr))
    .flatMap(({ what, cidr }) => [
      {
        condition: Op.and(
          Fn.can(Fn.regex("^[0-9./]+$", cidr)),
          Fn.try([Op.eq(Fn.cidrsubnet(cidr, 0, 0), cidr), false]),
        ),
        errorMessage: `${what} ${cidr} is not an IPv4 CIDR block without host bits; write it as 172.16.0.0/16.`,
      },
      {
        condition: Op.not(Fn.can(Fn.regex(NO_NETWORK, cidr))),
        errorMessage: `${what} ${cidr} is everything or lies in a range that no network has; use other addresses.`,
      },
      ...(what === "dataCenterCidrs"
        ? [
            {
              condition: apartIfBlocks(cidr, SHARED_ADDRESS_SPACE.text),
              errorMessage: `${what} ${cidr} overlaps ${SHARED_ADDRESS_SPACE.text}, which Alibaba Cloud keeps for itself; use other addresses.`,
            },
          ]
        : []),
    ]);
}

/** Conditions that no block of one side overlaps one of the other, for the pairs that synth could not compare. */
export function overlapPreconditions(ones: readonly NamedBlock[], others: readonly NamedBlock[]): Precondition[] {
  return ones.filter(isComparable).flatMap((one) =>
    others
      .filter(isComparable)
      .filter((other) => !isLiteral(one.cidr) || !isLiteral(other.cidr))
      .map((other) => ({
        condition: apartIfBlocks(one.cidr, other.cidr),
        errorMessage: `${one.what} ${one.cidr} and ${other.what} ${other.cidr} overlap; give blocks that share no address.`,
      })),
  );
}

/** What is no block is refused at synth; cdktf's functions take no expression with quotes in it. */
function isComparable({ cidr }: NamedBlock): boolean {
  return isLiteral(cidr) ? parseBlock(cidr) !== undefined : !cidr.includes('"');
}

/** What is no block is told by its own condition, once. */
function apartIfBlocks(a: string, b: string): IResolvable {
  return Fn.try([areApart(a, b), true]) as IResolvable;
}

/** Two blocks share no address when they differ within the shorter of the two prefixes. */
export function areApart(a: string, b: string): IResolvable {
  const shorter = Fn.min([prefixLength(a), prefixLength(b)]);
  return Op.neq(networkOf(a, shorter), networkOf(b, shorter));
}

function prefixLength(cidr: string): number {
  return Fn.tonumber(part(cidr, 1));
}

/** The condition that an address lies in a block. */
export function isIn(address: string, block: Block): IResolvable {
  return Op.eq(networkOf(address, block.prefixLength), block.text.split("/")[0]);
}

/** The condition that an address lies in one of the blocks, of which only Terraform knows some. */
export function isInOneOf(address: string, cidrs: readonly string[]): IResolvable {
  const each = cidrs.map((cidr) => Op.eq(networkOf(address, prefixLength(cidr)), part(cidr, 0)));
  // What is no block is told by its own condition, once.
  return Fn.try([Fn.anytrue(each), true]) as IResolvable;
}

/** The first address of the network of a block, or of an address, with a prefix of this length. */
function networkOf(cidr: string, prefix: number): string {
  return Fn.cidrhost(Token.asString(Fn.format("%s/%d", [part(cidr, 0), prefix])), 0);
}

function part(cidr: string, index: 0 | 1): string {
  return Token.asString(Fn.element(Fn.split("/", cidr), index));
}
