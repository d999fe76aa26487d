// One change at a time per VPN gateway: the API refuses a second one while the first is being carried out.
// A queue makes that order explicit in Terraform's graph, so that apply and destroy never meet a busy gateway.
import { dependable, TerraformResource, TerraformStack } from "cdktf";

/** The order in which resources change one VPN gateway; edges stay inside a stack. */
export class ChangeQueue {
  private readonly last = new Map<TerraformStack, TerraformResource>();

  /**
   * Puts a resource behind all that were put before it.
   *
   * @param resource one that changes the gateway
   */
  add(resource: TerraformResource): void {
    const stack = TerraformStack.of(resource);
    const before = this.last.get(stack);
    if (before) resource.dependsOn = [...(resource.dependsOn ?? []), dependable(before)];
    this.last.set(stack, resource);
  }
}
