// One change at a time per VPN gateway: the API refuses a second one while the first is being carried out.
// A queue makes that order explicit in Terraform's graph, so that apply and destroy never meet a busy gateway.
import { dependable, Lazy, TerraformResource, TerraformStack } from "cdktf";

interface Entry {
  readonly resource: TerraformResource;
  readonly place: readonly string[];
}

/** The order in which resources change one VPN gateway; edges stay inside a stack. */
export class ChangeQueue {
  private readonly entries = new Map<TerraformStack, Entry[]>();
  private readonly sorted = new WeakMap<readonly Entry[], { readonly length: number; readonly before: Predecessors }>();

  /**
   * Puts a resource into the order of changes.
   *
   * The order is that of the places, then of the addresses in Terraform's state, never of the calls: Terraform destroys
   * what it replaces in an order that agrees with the code and with the state, and finds none when the two contradict
   * each other.
   *
   * @param resource changes the gateway
   * @param place compared text by text: a site's name, then 0 for its connection and 1 for its routes. What the resource
   * refers to has to have an earlier one; by default it comes after all sites
   */
  add(resource: TerraformResource, place: readonly string[] = ["~"]): void {
    const stack = TerraformStack.of(resource);
    const entries = this.entries.get(stack) ?? [];
    this.entries.set(stack, entries);
    entries.push({ resource, place });
    // Resolved at synth, when all are known.
    const before = Lazy.stringValue({ produce: () => this.before(entries, resource) });
    resource.dependsOn = [...(resource.dependsOn ?? []), before];
  }

  private before(entries: readonly Entry[], resource: TerraformResource): string | undefined {
    let known = this.sorted.get(entries);
    if (known?.length !== entries.length) {
      const inOrder = entries
        .map((entry) => ({ ...entry, id: entry.resource.friendlyUniqueId }))
        .sort((a, b) => compare([...a.place, a.id], [...b.place, b.id]));
      const before = new Map(inOrder.map((entry, index) => [entry.resource, inOrder[index - 1]?.resource]));
      known = { length: entries.length, before };
      this.sorted.set(entries, known);
    }
    const found = known.before.get(resource);
    return found && dependable(found);
  }
}

type Predecessors = ReadonlyMap<TerraformResource, TerraformResource | undefined>;

function compare(a: readonly string[], b: readonly string[]): number {
  for (const [index, text] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (text !== other) return text < other ? -1 : 1;
  }
  return a.length - b.length;
}
