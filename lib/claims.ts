// What may exist once only: a construct claims it when it is made, a later one finds at synth who has it.
import { TerraformStack } from "cdktf";
import { Construct } from "constructs";

const CLAIMS = new WeakMap<TerraformStack, Map<string, Construct>>();

/** Claims something for a construct, within its stack; the first claim holds. */
export function claim(construct: Construct, what: string): void {
  const stack = TerraformStack.of(construct);
  const holders = CLAIMS.get(stack) ?? new Map<string, Construct>();
  CLAIMS.set(stack, holders);
  if (!holders.has(what)) holders.set(what, construct);
}

/** The other construct that holds what this one claimed, if there is one. */
export function otherHolder(construct: Construct, what: string): Construct | undefined {
  const holder = CLAIMS.get(TerraformStack.of(construct))?.get(what);
  return holder === construct ? undefined : holder;
}
