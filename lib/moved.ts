// A `moved` block without what cdktf's moveFromId adds: that runs the terraform program at synth to ask its version.
import { TerraformElement, TerraformResource } from "cdktf";

/** Tells Terraform that a resource had another address before. */
export class Moved extends TerraformElement {
  /** The construct's id, in the resource. */
  static readonly ID = "moved";

  /** @param from the former address, `TYPE.NAME` */
  constructor(
    private readonly resource: TerraformResource,
    private readonly from: string,
  ) {
    super(resource, Moved.ID);
  }

  override toTerraform(): unknown {
    return { moved: [{ from: this.from, to: this.to }] };
  }

  override toHclTerraform(): unknown {
    const reference = (value: string) => ({ value, isBlock: false, type: "simple", storageClassType: "reference" });
    return { moved: [{ from: reference(this.from), to: reference(this.to) }] };
  }

  private get to(): string {
    return `${this.resource.terraformResourceType}.${this.resource.friendlyUniqueId}`;
  }
}
