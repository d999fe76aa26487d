// The alicloud provider that a construct uses: its region, and whether it is the one that was meant.
import { TerraformProvider, TerraformStack } from "cdktf";
import { Construct } from "constructs";
import { claim, otherHolder } from "../claims";
import { Findings } from "../findings";
import { literal } from "../structural";

interface Known {
  /** How many constructs stood in the stack when it was searched. */
  readonly children: number;
  readonly providers: readonly TerraformProvider[];
}

const KNOWN = new WeakMap<TerraformStack, Known>();

/** The alicloud providers of a stack, searched for once: a stack may have hundreds of gateways. */
function alicloudProviders(stack: TerraformStack): readonly TerraformProvider[] {
  const children = stack.node.children.length;
  const known = KNOWN.get(stack);
  if (known?.children === children) return known.providers;
  const providers = stack.node
    .findAll()
    .filter((child): child is TerraformProvider => TerraformProvider.isTerraformProvider(child))
    .filter((candidate) => candidate.terraformResourceType === "alicloud" && TerraformStack.of(candidate) === stack);
  KNOWN.set(stack, { children, providers });
  return providers;
}

/** The region of the provider that a construct uses, where it is a literal. */
export function regionOf(scope: Construct, given?: TerraformProvider): string | undefined {
  const provider =
    given ?? alicloudProviders(TerraformStack.of(scope)).find((candidate) => candidate.alias === undefined);
  return provider && literal(provider, "region");
}

const FORGOTTEN = "being the first without a provider";

/** Notes, when a construct is made, that it was given no provider, so that one construct alone tells it for its stack. */
export function noteProvider(construct: Construct, given?: TerraformProvider): void {
  if (given === undefined) claim(construct, FORGOTTEN);
}

/** Checks that Terraform will use the provider that was meant. */
export function checkProvider(construct: Construct, given: TerraformProvider | undefined, findings: Findings): void {
  const stack = TerraformStack.of(construct);
  if (given === undefined) {
    const providers = alicloudProviders(stack);
    if (providers.length === 0 || providers.some(({ alias }) => alias === undefined)) return;
    if (otherHolder(construct, FORGOTTEN)) return;
    const aliases = providers.map(({ alias }) => alias).join(", ");
    findings.error(
      `provider is missing and the stack's alicloud providers all have an alias (${aliases}), so the environment's account would be used; give one of them.`,
    );
  } else if (given.terraformResourceType !== "alicloud") {
    findings.error(`provider is one for ${given.terraformResourceType}; give an AlicloudProvider.`);
  } else if (TerraformStack.of(given) !== stack) {
    findings.error(
      `provider is one of the stack ${TerraformStack.of(given).node.id}, and providers do not reach into other stacks; give one of this stack.`,
    );
  }
}
