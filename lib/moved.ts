// A `moved` block without what cdktf's moveFromId adds: that runs the terraform program at synth to ask its version.
import { TerraformElement, TerraformResource } from "cdktf";

/** Tells Terraform that a resource had another address before. */
export class Moved extends TerraformElement {
  /** The construct's id, in the resource. */
  static readonly ID = "moved";

  /**
   * @param from the former address, `TYPE.NAME`
   * @param between an address that it had after that one, asked for at synth; undefined where it may be another's
   */
  constructor(
    private readonly resource: TerraformResource,
    private readonly from: string,
    private readonly between: () => string | undefined = () => undefined,
  ) {
    super(resource, Moved.ID);
  }

  override toTerraform(): unknown {
    return { moved: this.steps.map(([from, to]) => ({ from, to })) };
  }

  override toHclTerraform(): unknown {
    const reference = (value: string) => ({ value, isBlock: false, type: "simple", storageClassType: "reference" });
    return { moved: this.steps.map(([from, to]) => ({ from: reference(from), to: reference(to) })) };
  }

  /** One after the other: Terraform takes one former address for each. */
  private get steps(): (readonly [from: string, to: string])[] {
    const between = this.between();
    if (between === undefined) return [[this.from, this.to]];
    return [
      [this.from, between],
      [between, this.to],
    ];
  }

  private get to(): string {
    return `${this.resource.terraformResourceType}.${this.resource.friendlyUniqueId}`;
  }
}
