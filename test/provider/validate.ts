// The real `terraform validate` over synthesized stacks, with the stand-in providers, whose schemas are the real ones.
import * as fs from "node:fs";
import * as path from "node:path";
import { PreparedProviders, prepareProviders } from "../../lab/terraform/providers";
import { runTerraform } from "../../lab/terraform/terraform";
import { CACHE } from "./workspace";

let providers: Promise<PreparedProviders> | undefined;

/** What Terraform says against the stack in a directory of cdktf.out; nothing when it accepts it. */
export async function refusal(stack: string): Promise<string> {
  const prepared = await (providers ??= prepareProviders({ cacheDir: CACHE, choice: "stand-in" }));
  const env = { ...prepared.env, HOME: homeFor(stack) };
  // Without the backend: an example's belongs to somebody else.
  for (const args of [["init", "-backend=false", "-input=false"], ["validate"]]) {
    const { status, stdout, stderr } = await runTerraform([...args, "-no-color"], { cwd: stack, env });
    if (status !== 0) return `terraform ${args[0]} ended with ${status}:\n${stdout}${stderr}`;
  }
  return "";
}

/** A home directory with the private keys that the stack names: Terraform reads them as it validates. */
function homeFor(stack: string): string {
  const home = path.join(stack, ".home");
  const json = fs.readFileSync(path.join(stack, "cdk.tf.json"), "utf8");
  for (const [, key] of json.matchAll(/pathexpand\(\\"~\/([^"\\]+)/g)) {
    fs.mkdirSync(path.dirname(path.join(home, key)), { recursive: true });
    fs.writeFileSync(path.join(home, key), "");
  }
  return home;
}
