// What only Terraform can check: the example's plan against the emulated API, with the stand-in providers.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Testing } from "cdktf";
import { DEFAULTS, ExampleConfig } from "../../bin/config";
import { ExampleStack } from "../../bin/example-stack";
import { EmulatedCloud, startEmulatedCloud } from "../../lab/cloud/server";
import { cacheDirectory } from "../../lab/cache";
import { PreparedProviders, prepareProviders } from "../../lab/terraform/providers";
import { assertEmulated, DUMMY_KEYS, runTerraform } from "../../lab/terraform/terraform";

jest.setTimeout(120_000);

const HOST_KEY =
  "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=";

let providers: PreparedProviders;
let cloud: EmulatedCloud;
let stateDirectory: string;

beforeAll(async () => {
  providers = await prepareProviders({ cacheDir: cacheDirectory(), choice: "stand-in" });
  cloud = await startEmulatedCloud();
  stateDirectory = fs.mkdtempSync(path.join(os.tmpdir(), "at-plan-"));
});
afterAll(async () => {
  await cloud?.close();
  fs.rmSync(stateDirectory, { recursive: true, force: true });
});

/** Plans the example and gives everything that Terraform printed. */
async function plan(changes: Partial<ExampleConfig> = {}, keys: Record<string, string> = {}) {
  const config: ExampleConfig = {
    ...DEFAULTS,
    provider: {
      ...DUMMY_KEYS,
      protocol: "HTTP",
      accountType: "International",
      skipRegionValidation: true,
      endpoints: [{ vpc: cloud.endpoint }],
    },
    ...changes,
  };
  const cwd = path.join(Testing.fullSynth(new ExampleStack(Testing.app(), config)), "stacks/singapore");
  assertEmulated(JSON.parse(fs.readFileSync(path.join(cwd, "cdk.tf.json"), "utf8")), cloud.endpoint);
  const env = {
    ...providers.env,
    TF_VAR_box_host_key: HOST_KEY,
    TF_VAR_singapore_psk_active: "key-of-the-active-tunnel",
    TF_VAR_singapore_psk_standby: "key-of-the-standby-tunnel",
    ...keys,
  };
  await runTerraform(["init", "-input=false", "-no-color"], { cwd, env });
  const { status, stdout, stderr } = await runTerraform(["plan", "-input=false", "-no-color", "-lock=false"], {
    cwd,
    env,
  });
  // Terraform breaks its sentences into lines.
  return { status, text: `${stdout}${stderr}`.replace(/\s+/g, " ") };
}

describe("the plan of the example", () => {
  it("is accepted, and shows no pre-shared key and no hash of one", async () => {
    const { status, text } = await plan();
    expect(status).toBe(0);
    expect(text).toContain("Plan: 13 to add, 0 to change, 0 to destroy.");
    expect(text).not.toMatch(/key-of-the-(active|standby)-tunnel/);
    expect(text).toMatch(/"keys" += \(sensitive value\)/);
  });

  it("refuses a zone without VPN gateways and names those that work", async () => {
    const vswitches = [DEFAULTS.vswitches[0], { cidr: "192.168.20.0/24", zone: "ap-southeast-1f" }] as const;
    const { status, text } = await plan({ vswitches });
    expect(status).not.toBe(0);
    expect(text).toContain(
      "vSwitch 2 is in zone ap-southeast-1f, where this VPN gateway cannot be made; the zones that work are ap-southeast-1a, ap-southeast-1b, ap-southeast-1c.",
    );
  });

  it.each([
    ["is empty, which would have Terraform check none", ""],
    ["is cut short", HOST_KEY.slice(0, -30)],
    ["is of another kind", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXKd2nLBqn3kiaPKcHkSYrQPrWgQVvGkJcNyMT8WYnF"],
    ["says another kind", HOST_KEY.replace("nistp256", "nistp384")],
  ])("refuses a host key that %s", async (_what, key) => {
    const { status, text } = await plan({}, { TF_VAR_box_host_key: key });
    expect(status).not.toBe(0);
    expect(text).toContain("ssh.hostKey of singapore is not an ECDSA public key; give the two words");
  });

  it.each([
    ["a space", "not a key"],
    ["a double quote", 'not"a"key'],
    ["a backslash", "not\\a\\key"],
    ["too many characters", "notakey".repeat(15)],
  ])("refuses a pre-shared key with %s, and does not show it", async (_what, key) => {
    const { status, text } = await plan({}, { TF_VAR_singapore_psk_standby: key });
    expect(status).not.toBe(0);
    expect(text).toContain(
      "The pre-shared key of the standby tunnel of singapore must have 1 to 100 letters, digits and",
    );
    expect(text).not.toContain(key);
    expect(text).not.toContain(JSON.stringify(key).slice(1, -1));
  });
});
