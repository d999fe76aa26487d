// The worked example as `cdktf synth` writes it is valid by the provider's schema.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { runBound } from "../../lab/process";
import { prepareProviders } from "../../lab/terraform/providers";
import { runTerraform, scrubbedEnvironment } from "../../lab/terraform/terraform";
import { CACHE } from "./workspace";

jest.setTimeout(300_000);
const root = path.resolve(__dirname, "../..");
let output: string;
let stack: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  output = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-example-"));
  const cdktf = require.resolve("cdktf-cli/bundle/bin/cdktf");
  const synth = await runBound(process.execPath, [cdktf, "synth", "--output", output], {
    cwd: root,
    env: scrubbedEnvironment(),
  });
  if (synth.status !== 0) throw new Error(synth.stdout + synth.stderr);
  stack = path.join(output, "stacks", fs.readdirSync(path.join(output, "stacks"))[0]);
  env = { ...(await prepareProviders({ cacheDir: CACHE, choice: "stand-in" })).env, TF_CLI_ARGS: "-no-color" };
  const init = await runTerraform(["init"], { cwd: stack, env });
  if (init.status !== 0) throw new Error(init.stdout + init.stderr);
});
afterAll(() => fs.rmSync(output, { recursive: true, force: true }));

it("validates the synthesized example", async () => {
  const { status, stdout, stderr } = await runTerraform(["validate"], { cwd: stack, env });
  expect(stdout + stderr).toContain("Success! The configuration is valid.");
  expect(status).toBe(0);
});

it("would see an attribute that the provider does not have, and a value that it refuses", async () => {
  const file = path.join(stack, "cdk.tf.json");
  type Resources = Record<string, Record<string, Record<string, unknown>>>;
  const synthesized = JSON.parse(fs.readFileSync(file, "utf8")) as { resource: Resources };
  Object.values(synthesized.resource.alicloud_vpn_gateway)[0].bandwith = 10;
  Object.values(synthesized.resource.alicloud_vpn_gateway)[0].payment_type = "Free";
  fs.writeFileSync(file, JSON.stringify(synthesized));
  const { status, stderr } = await runTerraform(["validate"], { cwd: stack, env });
  expect(status).toBe(1);
  expect(stderr).toContain("bandwith");
});
