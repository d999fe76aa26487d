import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { Annotations, App, TerraformStack, Testing } from "cdktf";
import { addCustomSynthesis } from "cdktf/lib/synthesize/synthesizer";
import { Construct } from "constructs";
import * as fs from "node:fs";
import * as path from "node:path";
import { DualTunnelVpn, DualTunnelVpnProps, Encryption, synth } from "../../lib";
import { SITE } from "./site";

let printed: string[];
let exitCode: typeof process.exitCode;

beforeEach(() => {
  printed = [];
  exitCode = process.exitCode;
  jest.spyOn(console, "error").mockImplementation((text: string) => void printed.push(text));
});
afterEach(() => {
  jest.restoreAllMocks();
  process.exitCode = exitCode;
});

function appWith(changes: Partial<DualTunnelVpnProps>): { app: App; stack: TerraformStack } {
  const app = Testing.app();
  const stack = new TerraformStack(app, "site");
  new AlicloudProvider(stack, "alicloud", { region: "ap-southeast-1" });
  new NullProvider(stack, "null");
  new DualTunnelVpn(stack, "vpn", { ...SITE, ...changes });
  return { app, stack };
}

const written = (app: App) => fs.existsSync(path.join(app.outdir, "stacks/site/cdk.tf.json"));

describe("synth(app)", () => {
  it("writes the stacks and says nothing when all is well", () => {
    const { app } = appWith({});
    synth(app);
    expect(printed).toEqual([]);
    expect(process.exitCode).toBe(exitCode);
    expect(written(app)).toBe(true);
  });

  it("writes nothing, prints one line for each problem and sets the exit status when something is wrong", () => {
    const { app } = appWith({ name: "A", routeMetric: 0 });
    synth(app);
    expect(printed).toEqual([
      expect.stringMatching(/^Error: site\/vpn\/gateway: name "A" must be /),
      expect.stringMatching(/^Error: site\/vpn\/connection: name "A" must be /),
      "Error: site/vpn/box: routeMetric is 0; give a whole number from 1 to 4294967294.",
    ]);
    expect(process.exitCode).toBe(1);
    expect(written(app)).toBe(false);
  });

  it("prints warnings beside the stacks that it writes", () => {
    const { app } = appWith({ tunnels: { esp: { encryption: Encryption.DES } } });
    synth(app);
    expect(printed).toHaveLength(2);
    expect(printed[0]).toMatch(/^Warning: site\/vpn\/connection: active tunnel: esp\.encryption des is weak: /);
    expect(written(app)).toBe(true);
  });

  it("takes an error annotation of any construct for a problem", () => {
    const { app, stack } = appWith({});
    Annotations.of(stack).addError("not like\n  this");
    synth(app);
    expect(printed).toEqual(["Error: site: not like this"]);
    expect(written(app)).toBe(false);
  });

  it("names the guide when the app is of another copy of CDKTF and cannot be synthesized", () => {
    class OtherApp extends Construct {
      synth(): void {
        throw new TypeError("e._resetResolveDiscoveredProviderFeatureUsage is not a function");
      }
    }
    synth(new OtherApp(undefined as unknown as Construct, ""));
    expect(printed).toEqual([
      expect.stringMatching(/^Error: the app is made with another copy .*docs\/guides\/cdktn\.md says\.$/),
    ]);
    expect(printed[0]).toContain("docs/guides/cdktn.md");
    expect(process.exitCode).toBe(1);
  });

  it("tells the problems of all stacks and of the app together", () => {
    const { app } = appWith({ routeMetric: 0 });
    const other = new TerraformStack(app, "other");
    other.node.addValidation({ validate: () => ["is not wanted"] });
    app.node.addValidation({ validate: () => ["has no name"] });
    synth(app);
    expect(printed).toEqual([
      "Error: has no name",
      "Error: site/vpn/box: routeMetric is 0; give a whole number from 1 to 4294967294.",
      "Error: other: is not wanted",
    ]);
  });

  it("runs each check once when all is well", () => {
    const { app, stack } = appWith({});
    const validate = jest.fn(() => []);
    stack.node.addValidation({ validate });
    synth(app);
    expect(validate).toHaveBeenCalledTimes(1);
  });

  it("lets a failure through that no check explains", () => {
    const { app, stack } = appWith({});
    addCustomSynthesis(stack, {
      onSynthesize: () => {
        throw new Error("the disk is full");
      },
    });
    expect(() => synth(app)).toThrow("the disk is full");
    expect(printed).toEqual([]);
  });

  it("prints cdktf's own complaint about a missing provider in one line", () => {
    const app = Testing.app();
    const stack = new TerraformStack(app, "site");
    new DualTunnelVpn(stack, "vpn", SITE);
    synth(app);
    expect(printed).toHaveLength(1);
    expect(printed[0]).toMatch(
      /^Error: site: Found resources without a matching provider construct\..*alicloud, null$/,
    );
  });
});
