// Conditions as Terraform evaluates them, over many texts in one run, and the text of files.
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import { IResolvable, TerraformLocal, TerraformOutput, TerraformStack, TerraformVariable, Testing } from "cdktf";

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
  return answered(program, new TerraformStack(Testing.app(), "empty")) as boolean[];
}

/** What Terraform makes of a local's text that holds JSON, with these values of variables. */
export function evaluatedJson(text: string, variables: Readonly<Record<string, unknown>>): unknown {
  const stack = new TerraformStack(Testing.app(), "locals");
  for (const [id, value] of Object.entries(variables)) new TerraformVariable(stack, id, { default: value });
  new TerraformLocal(stack, "text", text);
  return answered("jsondecode(local.text)", stack);
}

function answered(expression: string, stack: TerraformStack): unknown {
  const cwd = Testing.fullSynth(stack);
  const run = spawnSync("terraform", ["console"], {
    cwd: path.join(cwd, "stacks", stack.node.id),
    input: `jsonencode(${expression})\n`,
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: cwd, CHECKPOINT_DISABLE: "1" },
  });
  if (run.status !== 0 || run.stderr !== "") throw new Error(run.stderr);
  return JSON.parse(JSON.parse(run.stdout) as string);
}
