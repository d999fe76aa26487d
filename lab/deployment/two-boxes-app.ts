// The CDKTF app of a site with two boxes; its parameters come as the example's do, by a file that the environment names.
import { readFileSync } from "node:fs";
import { AlicloudProvider, type AlicloudProviderConfig } from "@cdktf/provider-alicloud/lib/provider";
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { App, LocalBackend, TerraformStack } from "cdktf";
import { CONFIG_VARIABLE } from "../../bin/config";
import { synth } from "../../lib";
import { REGION } from "./new-network";
import { NAME, type TwoBoxesConfig } from "./two-boxes";
import { twoBoxesSite } from "./two-boxes-stack";

type Given = TwoBoxesConfig & { readonly provider: AlicloudProviderConfig };

const { provider, ...config } = JSON.parse(readFileSync(process.env[CONFIG_VARIABLE] as string, "utf8")) as Given;
const app = new App();
const stack = new TerraformStack(app, NAME);
new LocalBackend(stack, { path: `../../../terraform.${NAME}.tfstate` });
new AlicloudProvider(stack, "alicloud", { ...provider, region: REGION });
new NullProvider(stack, "null");
twoBoxesSite(stack, config);
synth(app);
