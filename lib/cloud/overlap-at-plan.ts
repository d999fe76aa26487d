// Overlap of blocks that only Terraform knows: the same check as at synth, as a precondition.
import { Fn, IResolvable, Op, Token } from "cdktf";
import { parseBlock } from "../ip";
import { isLiteral } from "../structural";

/** A block with the words that name it in a sentence. */
export interface NamedBlock {
  readonly what: string;
  readonly cidr: string;
}

/** Conditions that no block of one side overlaps one of the other, for the pairs that synth could not compare. */
export function overlapPreconditions(
  ones: readonly NamedBlock[],
  others: readonly NamedBlock[],
): { condition: IResolvable; errorMessage: string }[] {
  return ones.filter(isComparable).flatMap((one) =>
    others
      .filter(isComparable)
      .filter((other) => !isLiteral(one.cidr) || !isLiteral(other.cidr))
      .map((other) => ({
        condition: areApart(one.cidr, other.cidr),
        errorMessage: `${one.what} ${one.cidr} and ${other.what} ${other.cidr} overlap; give blocks that share no address.`,
      })),
  );
}

/** What is no block is refused at synth; cdktf's functions take no expression with quotes in it. */
function isComparable({ cidr }: NamedBlock): boolean {
  return isLiteral(cidr) ? parseBlock(cidr) !== undefined : !cidr.includes('"');
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
