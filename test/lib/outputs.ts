// Values as a real Terraform run makes them, for tests of what only Terraform can evaluate.
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import { TerraformStack, Testing } from "cdktf";

/** Applies a stack of outputs with these keys and gives the outputs' values. */
export function outputs(stack: TerraformStack, keys: Record<string, string>): Record<string, string> {
  const cwd = path.join(Testing.fullSynth(stack), "stacks/test");
  const env = {
    PATH: process.env.PATH,
    HOME: cwd,
    CHECKPOINT_DISABLE: "1",
    ...Object.fromEntries(Object.entries(keys).map(([name, key]) => [`TF_VAR_${name}`, key])),
  };
  const terraform = (...args: string[]) => {
    const run = spawnSync("terraform", args, { cwd, env, encoding: "utf8" });
    if (run.status !== 0) throw new Error(run.stderr + run.stdout);
    return run.stdout;
  };
  terraform("init", "-input=false");
  terraform("apply", "-input=false", "-auto-approve");
  const read = JSON.parse(terraform("output", "-json")) as Record<string, { value: string; sensitive: boolean }>;
  expect(Object.values(read).map((output) => output.sensitive)).not.toContain(false);
  return Object.fromEntries(Object.entries(read).map(([name, output]) => [name, output.value]));
}
