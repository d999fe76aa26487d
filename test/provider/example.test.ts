// The worked example as `cdktf synth` writes it is valid by the provider's schema.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { runBound } from "../../lab/process";
import { scrubbedEnvironment } from "../../lab/terraform/terraform";
import { refusal } from "./validate";

jest.setTimeout(300_000);
const root = path.resolve(__dirname, "../..");
let output: string;
let stack: string;

beforeAll(async () => {
  output = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-example-"));
  const cdktf = require.resolve("cdktf-cli/bundle/bin/cdktf");
  const synth = await runBound(process.execPath, [cdktf, "synth", "--output", output], {
    cwd: root,
    env: scrubbedEnvironment(),
  });
  if (synth.status !== 0) throw new Error(synth.stdout + synth.stderr);
  stack = path.join(output, "stacks", fs.readdirSync(path.join(output, "stacks"))[0]);
});
afterAll(() => fs.rmSync(output, { recursive: true, force: true }));

it("is accepted by terraform validate", async () => {
  expect(await refusal(stack)).toBe("");
});

type Resources = Record<string, Record<string, Record<string, unknown>>>;

describe("terraform validate would see in the example", () => {
  it.each<[string, (resources: Resources) => void, string]>([
    [
      "an attribute that the provider does not have",
      (resources) => void (resources.alicloud_vpn_gateway.singapore_gateway.bandwith = 10),
      "bandwith",
    ],
    [
      "an attribute that is missing",
      (resources) => void delete resources.alicloud_vpn_gateway.singapore_gateway.vpc_id,
      "vpc_id",
    ],
    [
      "a value of another type",
      (resources) => void (resources.alicloud_vpn_connection.singapore_connection.effect_immediately = "soon"),
      "effect_immediately",
    ],
    [
      "a reference to what is not there",
      (resources) =>
        void (resources.alicloud_vpn_connection.singapore_connection.vpn_gateway_id =
          "${alicloud_vpn_gateway.other.id}"),
      "alicloud_vpn_gateway.other",
    ],
    [
      "a template that cannot be read",
      (resources) => void (resources.alicloud_vpn_gateway.singapore_gateway.description = "${"),
      "singapore_gateway",
    ],
  ])("%s", async (_, spoil, named) => {
    const spoiled = fs.mkdtempSync(path.join(output, "spoiled-"));
    fs.cpSync(stack, spoiled, { recursive: true });
    const file = path.join(spoiled, "cdk.tf.json");
    const json = JSON.parse(fs.readFileSync(file, "utf8")) as { resource: Resources };
    spoil(json.resource);
    fs.writeFileSync(file, JSON.stringify(json));
    const said = await refusal(spoiled);
    expect(said).toMatch(/^terraform (init|validate) ended with 1:/);
    expect(said).toContain(named);
  });
});
