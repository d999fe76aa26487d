// One change at a time per VPN gateway: the API refuses a second one while the first is being carried out.
// A queue makes that order explicit in Terraform's graph, so that calls meet a busy gateway only where the provider does not
// wait for the end of a change (publishing policy routes, weights), and there it tries again.
import { dependable, Lazy, TerraformResource, TerraformStack } from "cdktf";
import { identityOf } from "../expressions";

/** The changes of one stack. */
interface Line {
  readonly entries: { readonly resource: TerraformResource; readonly place: readonly string[] }[];
  /** Who comes before whom; undefined until it is asked for. */
  before?: ReadonlyMap<TerraformResource, TerraformResource | undefined>;
}

/** The order in which resources change one VPN gateway; edges stay inside a stack. */
export class ChangeQueue {
  private static readonly ofExisting = new WeakMap<TerraformStack, Map<string, ChangeQueue>>();

  /**
   * The queue of a gateway that exists, one for each stack however often the gateway is described there.
   *
   * @param stack where the gateway is described
   * @param vpnGatewayId its id, `vpn-…` or a token
   */
  static of(stack: TerraformStack, vpnGatewayId: string): ChangeQueue {
    const queues = ChangeQueue.ofExisting.get(stack) ?? new Map<string, ChangeQueue>();
    ChangeQueue.ofExisting.set(stack, queues);
    const key = identityOf(stack, vpnGatewayId);
    const queue = queues.get(key) ?? new ChangeQueue();
    queues.set(key, queue);
    return queue;
  }

  private readonly lines = new Map<TerraformStack, Line>();

  /**
   * Puts the gateway itself before all others.
   *
   * @param gateway the resource that makes it
   */
  start(gateway: TerraformResource): void {
    this.enter(gateway, [""]);
  }

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
    const line = this.enter(resource, place);
    const produce = () => {
      const before = (line.before ??= predecessors(line)).get(resource);
      return before && dependable(before);
    };
    // Resolved at synth, when all are known.
    resource.dependsOn = [...(resource.dependsOn ?? []), Lazy.stringValue({ produce })];
  }

  private enter(resource: TerraformResource, place: readonly string[]): Line {
    const stack = TerraformStack.of(resource);
    const line = this.lines.get(stack) ?? { entries: [] };
    this.lines.set(stack, line);
    line.entries.push({ resource, place });
    line.before = undefined;
    return line;
  }
}

function predecessors({ entries }: Line): Line["before"] & object {
  const inOrder = entries
    .map(({ resource, place }) => ({ resource, key: [...place, resource.friendlyUniqueId] }))
    .sort((a, b) => compare(a.key, b.key));
  return new Map(inOrder.map(({ resource }, index) => [resource, inOrder[index - 1]?.resource]));
}

function compare(a: readonly string[], b: readonly string[]): number {
  for (const [index, text] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (text !== other) return text < other ? -1 : 1;
  }
  return a.length - b.length;
}
