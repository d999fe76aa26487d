// The condition as Terraform evaluates it, against the check at synth: one run over many pairs of blocks.
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import { TerraformOutput, TerraformStack, TerraformVariable, Testing } from "cdktf";
import * as fc from "fast-check";
import { DualTunnelVpn } from "../../lib";
import { areApart } from "../../lib/cloud/overlap-at-plan";
import { formatAddress, overlap, parseBlock } from "../../lib/ip";
import { newStack, problems, SITE, synthesized, UPLINK_1 } from "./site";

const block = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 1, max: 32 }))
  .map(([address, length]) => {
    const size = 2 ** (32 - length);
    return `${formatAddress(address - (address % size))}/${length}`;
  });

describe("the overlap of blocks that only Terraform knows", () => {
  it("is what it is at synth", () => {
    const near: [string, string][] = [
      ["10.0.0.0/8", "10.255.255.0/24"],
      ["10.0.0.0/9", "10.128.0.0/9"],
      ["192.168.0.0/16", "192.168.0.0/16"],
      ["0.0.0.0/1", "128.0.0.0/1"],
      ["172.16.0.1/32", "172.16.0.1/32"],
    ];
    const pairs = [...near, ...fc.sample(fc.tuple(block, block), { numRuns: 150, seed: 7 })];
    const stack = new TerraformStack(Testing.app(), "test");
    const [a, b] = ["a", "b"].map((id) => new TerraformVariable(stack, id, { type: "string" }));
    const one = new TerraformOutput(stack, "apart", { value: areApart(a.stringValue, b.stringValue) });
    one.overrideLogicalId("apart");
    const json = JSON.parse(Testing.synth(stack)) as { output: { apart: { value: string } } };
    const expression = /^\$\{(.*)\}$/.exec(json.output.apart.value)![1];
    const given = JSON.stringify(pairs);
    const program = `[for pair in ${given} : ${expression.replaceAll("var.a", "pair[0]").replaceAll("var.b", "pair[1]")}]`;
    const cwd = Testing.fullSynth(new TerraformStack(Testing.app(), "empty"));
    const run = spawnSync("terraform", ["console"], {
      cwd: path.join(cwd, "stacks/empty"),
      input: `jsonencode(${program})\n`,
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: cwd, CHECKPOINT_DISABLE: "1" },
    });
    const apart = JSON.parse(JSON.parse(run.stdout) as string) as boolean[];
    expect(apart).toEqual(pairs.map(([x, y]) => !overlap(parseBlock(x)!, parseBlock(y)!)));
    expect(new Set(apart).size).toBe(2);
  }, 60_000);

  it("is a condition of the connection and of the box, for what synth cannot compare", () => {
    const stack = newStack();
    const variable = new TerraformVariable(stack, "block", { type: "string" });
    new DualTunnelVpn(stack, "vpn", { ...SITE, vpcCidrs: ["10.1.0.0/16", variable.stringValue], uplinks: [UPLINK_1] });
    expect(problems(stack)).toEqual([]);
    const { resource } = synthesized(stack);
    const messages = (lifecycle: unknown) =>
      (lifecycle as { precondition: { error_message: string }[] }).precondition
        .map((condition) => condition.error_message)
        .filter((message) => message.includes("overlap"));
    expect(messages(resource.alicloud_vpn_connection.singapore_connection.lifecycle)).toEqual([
      "vpcCidrs ${var.block} and dataCenterCidrs 172.16.0.0/16 overlap; give blocks that share no address.",
    ]);
    expect(messages(resource.null_resource.singapore_configure_box_over_ssh.lifecycle)).toEqual([
      "vpcCidrs ${var.block} and the network of uplinks[0] 172.16.1.0/24 overlap; give blocks that share no address.",
    ]);
  });
});
