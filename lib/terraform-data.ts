// terraform_data without what cdktf's DataResource adds: it runs the terraform program at synth to ask its version.
import { TerraformMetaArguments, TerraformResource } from "cdktf";
import { Construct } from "constructs";
import { Moved } from "./moved";

/** What a terraform_data holds. */
export interface TerraformDataConfig extends TerraformMetaArguments {
  readonly input: Readonly<Record<string, unknown>>;
  readonly triggersReplace?: readonly string[];
}

/** Terraform's built-in resource that only remembers. */
export class TerraformData extends TerraformResource {
  constructor(
    scope: Construct,
    id: string,
    private readonly config: TerraformDataConfig,
  ) {
    super(scope, id, {
      ...config,
      terraformResourceType: "terraform_data",
      terraformGeneratorMetadata: { providerName: "terraform" },
    });
  }

  /** What a stack says itself of a former address is in place of what we say: Terraform takes one. */
  override moveFromId(id: string): void {
    this.node.tryRemoveChild(Moved.ID);
    super.moveFromId(id);
  }

  protected override synthesizeAttributes(): Record<string, unknown> {
    return { input: this.config.input, triggers_replace: this.config.triggersReplace };
  }
}
