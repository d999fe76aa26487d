// The options of everything that is made in the cloud.
import { TerraformProvider } from "cdktf";
import { optional, provider, Shape, texts } from "../guard";

/** What can be chosen for everything that is made in the cloud. */
export interface CloudOptions {
  /**
   * Tags of each cloud resource made: at most 20.
   * @default - none
   */
  readonly tags?: Readonly<Record<string, string>>;
  /**
   * Region and account of what is made in the cloud; a connection's are those of its gateway.
   * @default - the stack's alicloud provider without an alias
   */
  readonly provider?: TerraformProvider;
}

/** What the options of everything in the cloud may be. */
export const CLOUD_SHAPE: Shape<CloudOptions> = { tags: optional(texts("texts by their keys")), provider };
