// Blocks that only Terraform knows: the same checks as at synth, as preconditions.
import { Fn, IResolvable, Op, Precondition, Token } from "cdktf";
import { parseBlock, SHARED_ADDRESS_SPACE } from "../ip";
import { isLiteral } from "../structural";

/** A block with the words that name it in a sentence. */
export interface NamedBlock {
  readonly what: string;
  readonly cidr: string;
}

/** Conditions that each block that synth could not read is one, without host bits, and not Alibaba Cloud's own. */
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
        condition: apartIfBlocks(cidr, SHARED_ADDRESS_SPACE.text),
        errorMessage: `${what} ${cidr} overlaps ${SHARED_ADDRESS_SPACE.text}, which Alibaba Cloud keeps for itself; use other addresses.`,
      },
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

function networkOf(cidr: string, prefix: number): string {
  return Fn.cidrhost(Token.asString(Fn.format("%s/%d", [part(cidr, 0), prefix])), 0);
}

function part(cidr: string, index: 0 | 1): string {
  return Token.asString(Fn.element(Fn.split("/", cidr), index));
}
