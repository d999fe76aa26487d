// Conditions as Terraform evaluates them, over many texts in one run.
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import { IResolvable, TerraformOutput, TerraformStack, TerraformVariable, Testing } from "cdktf";

/** What Terraform makes of a condition on two texts, for each pair of texts. */
export function evaluated(
  condition: (a: string, b: string) => string | IResolvable,
  pairs: readonly (readonly [string, string])[],
) {
  const stack = new TerraformStack(Testing.app(), "test");
  const [a, b] = ["a", "b"].map((id) => new TerraformVariable(stack, id, { type: "string" }));
  new TerraformOutput(stack, "holds", { value: condition(a.stringValue, b.stringValue) }).overrideLogicalId("holds");
  const json = JSON.parse(Testing.synth(stack)) as { output: { holds: { value: string } } };
  const expression = /^\$\{(.*)\}$/.exec(json.output.holds.value)![1];
  const given = JSON.stringify(pairs);
  const program = `[for pair in ${given} : ${expression.replaceAll("var.a", "pair[0]").replaceAll("var.b", "pair[1]")}]`;
  const cwd = Testing.fullSynth(new TerraformStack(Testing.app(), "empty"));
  const run = spawnSync("terraform", ["console"], {
    cwd: path.join(cwd, "stacks/empty"),
    input: `jsonencode(${program})\n`,
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: cwd, CHECKPOINT_DISABLE: "1" },
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(JSON.parse(run.stdout) as string) as boolean[];
}
