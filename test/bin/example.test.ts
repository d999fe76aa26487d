import * as fs from "node:fs";
import * as path from "node:path";
import { Testing } from "cdktf";
import { DEFAULTS, ExampleConfig } from "../../bin/config";
import { ExampleStack } from "../../bin/example-stack";

/** Everything that a synthesis of the example writes, by path. */
function synthesize(config: ExampleConfig = DEFAULTS): Map<string, string> {
  const app = Testing.stubVersion(Testing.app({ stackTraces: false }));
  const out = Testing.fullSynth(new ExampleStack(app, config));
  const files = fs
    .readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  return new Map(files.map((file) => [path.relative(out, file), fs.readFileSync(file, "utf8")]));
}

const terraform = (files: Map<string, string>) => files.get("stacks/singapore/cdk.tf.json")!;

describe("the worked example", () => {
  it("is the page's site, complete", () => {
    // The assets have tests of their own; what they contain would make this snapshot change with every line of them.
    const text = terraform(synthesize()).replaceAll(/\b[0-9a-f]{32}\b/g, "<hash of the assets>");
    expect(JSON.parse(text)).toMatchSnapshot();
  });

  it("is the same to the byte from the same input", () => {
    expect(synthesize()).toEqual(synthesize());
  });

  it("is the same to the byte from another directory, and names no path of this machine", () => {
    const here = synthesize();
    const before = process.cwd();
    const elsewhere = fs.mkdtempSync("/tmp/example-");
    process.chdir(elsewhere);
    try {
      expect(terraform(synthesize())).toBe(terraform(here));
    } finally {
      process.chdir(before);
      fs.rmSync(elsewhere, { recursive: true });
    }
    expect(terraform(here)).not.toContain(path.resolve(__dirname, "../.."));
    expect(terraform(here)).not.toContain(process.env.HOME);
  });

  it("changes nothing of the standby tunnel when the active tunnel's options change", () => {
    const locals = (config: ExampleConfig) =>
      (JSON.parse(terraform(synthesize(config))) as { locals: Record<string, string> }).locals;
    const before = locals(DEFAULTS);
    const after = locals({
      ...DEFAULTS,
      tunnels: { ...DEFAULTS.tunnels, active: { esp: { lifetimeSeconds: 3600 } } },
    });
    const changed = Object.keys(before).filter((name) => before[name] !== after[name]);
    expect(changed).toEqual(["singapore_tunnel_1_conf"]);
  });

  it("has no output that flips between plans", () => {
    const { output } = JSON.parse(terraform(synthesize())) as { output: object };
    expect(Object.keys(output).sort()).toEqual([
      "active_ipsec_address",
      "standby_ipsec_address",
      "vpn_connection_id",
      "vpn_gateway_id",
    ]);
    expect(JSON.stringify(output)).not.toMatch(/tunnel_options_specification|status|state/);
  });
});
