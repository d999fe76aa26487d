// What may exist once only, and what has to be compared with the same of others: a construct says what it has when it is made,
// a later one finds it at synth.
import { TerraformStack } from "cdktf";
import { Construct, IConstruct } from "constructs";

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

const REGISTERED = new WeakMap<IConstruct, Map<unknown, unknown[]>>();

/**
 * What the constructs of an app have put under a key, in the order in which they were made.
 *
 * @param scope any construct of the app
 * @param key compared by identity; text by its letters
 */
export function registered<T>(scope: Construct, key: unknown): T[] {
  const { root } = scope.node;
  const all = REGISTERED.get(root) ?? new Map<unknown, unknown[]>();
  REGISTERED.set(root, all);
  const entries = all.get(key) ?? [];
  all.set(key, entries);
  return entries as T[];
}
