// The stand-ins for null and random in the real Terraform, and how a provider's process ends.
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { compareSync } from "bcryptjs";
import * as fc from "fast-check";
import { makePassword } from "../../lab/provider/random";
import { prepareProviders } from "../../lab/terraform/providers";
import { CACHE, Workspace } from "./workspace";

jest.setTimeout(300_000);

const configuration = (trigger: string, length: number) => `
resource "random_password" "psk" {
  length           = ${length}
  special          = true
  override_special = "._-"
  min_special      = 2
}
resource "null_resource" "box" {
  triggers = { content = "${trigger}", secret = sha256(random_password.psk.result) }
}
output "same" { value = random_password.psk.numeric == random_password.psk.number }
`;

describe("null_resource and random_password", () => {
  let workspace: Workspace;
  beforeAll(async () => (workspace = await Workspace.create(configuration("one", 24))));
  afterAll(() => workspace.remove());
  const box = () => workspace.state()["null_resource.box"];
  const psk = () => workspace.state()["random_password.psk"];

  it("makes a password of the wanted form and shows it nowhere", async () => {
    const output = await workspace.apply();
    const result = psk().result as string;
    expect(result).toMatch(/^[\w.-]{24}$/);
    expect(result.replace(/[^._-]/g, "").length).toBeGreaterThanOrEqual(2);
    expect(compareSync(result, psk().bcrypt_hash as string)).toBe(true);
    expect(output).not.toContain(result);
    expect(await workspace.hasChanges()).toBe(false);
  });

  it("replaces a null_resource when its triggers change, and leaves the password alone", async () => {
    const before = { box: box().id, psk: psk().result };
    workspace.write(configuration("two", 24));
    const output = await workspace.apply();
    expect(output).toMatch(/~ triggers +=.*# forces replacement/);
    expect(output).toContain("1 added, 0 changed, 1 destroyed");
    expect(box().id).not.toBe(before.box);
    expect(psk().result).toBe(before.psk);
  });

  it("makes a new password when an option changes", async () => {
    const before = psk().result;
    workspace.write(configuration("two", 30));
    expect(await workspace.apply()).toContain("2 added, 0 changed, 2 destroyed");
    expect(psk().result).not.toBe(before);
  });

  it("imports a password", async () => {
    await workspace.succeed("state", "rm", "random_password.psk");
    await workspace.succeed("import", "random_password.psk", "an-imported_password.of30chars");
    expect(psk()).toMatchObject({ id: "none", result: "an-imported_password.of30chars", length: 30, special: true });
  });

  it("refuses a length that its minimums exceed", async () => {
    workspace.write('resource "random_password" "psk" {\n  length = 3\n  min_upper = 2\n  min_lower = 2\n}');
    expect((await workspace.fail("validate")).replace(/\s+/g, " ")).toContain("must be at least sum of");
  });
});

it("keeps every option of a password", () => {
  const count = fc.integer({ min: 0, max: 5 });
  fc.assert(
    fc.property(count, count, count, count, count, fc.boolean(), (more, lower, upper, numeric, special, all) => {
      const options = {
        length: lower + upper + numeric + special + more + 1,
        min_lower: lower,
        min_upper: upper,
        min_numeric: numeric,
        min_special: special,
        lower: true,
        upper: all,
        numeric: all,
        special: all,
        override_special: "#",
      };
      const result = makePassword(options);
      const has = (pattern: RegExp) => result.match(pattern)?.length ?? 0;
      expect(result).toHaveLength(options.length);
      expect(has(/[a-z]/g)).toBeGreaterThanOrEqual(lower);
      for (const [pattern, least] of [
        [/[A-Z]/g, upper],
        [/\d/g, numeric],
        [/#/g, special],
      ] as const) {
        expect(has(pattern)).toBeGreaterThanOrEqual(least);
        if (!all) expect(has(pattern)).toBe(least);
      }
    }),
  );
});

describe("a provider's process", () => {
  let mirror: string;
  const program = () => {
    const find = (directory: string): string[] =>
      fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
        const file = path.join(directory, entry.name);
        return entry.isDirectory() ? find(file) : entry.name.startsWith("terraform-provider-null") ? [file] : [];
      });
    return find(mirror)[0];
  };
  const cookie = { TF_PLUGIN_MAGIC_COOKIE: "x".repeat(64) };
  beforeAll(async () => {
    const { env } = await prepareProviders({ cacheDir: CACHE, choice: "stand-in" });
    mirror = path.dirname(String(env.TF_CLI_CONFIG_FILE));
  });

  it("ends when its parent is killed, though nobody tells it", async () => {
    // A parent of its own that starts it, prints the handshake and its pid, and then only waits to be killed.
    const parent = spawn(
      process.execPath,
      [
        "-e",
        `const child = require("node:child_process").spawn(process.argv[1], { stdio: ["ignore", "pipe", "inherit"] });
         child.stdout.once("data", (line) => console.log(child.pid + " " + line));`,
        program(),
      ],
      { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...cookie } },
    );
    const line = await new Promise<string>((resolve) => parent.stdout.once("data", (data) => resolve(String(data))));
    const pid = Number(line.split(" ")[0]);
    expect(line).toMatch(/^\d+ 1\|5\|tcp\|127\.0\.0\.1:\d+\|grpc\|/);
    expect(fs.existsSync(`/proc/${pid}`)).toBe(true);
    parent.kill("SIGKILL");
    const end = Date.now() + 20_000;
    while (fs.existsSync(`/proc/${pid}`) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(fs.existsSync(`/proc/${pid}`)).toBe(false);
  });

  it("ends at SIGTERM", async () => {
    const child = spawn(program(), { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...cookie } });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.kill("SIGTERM");
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
  });

  it("tells a person who starts it what it is", async () => {
    const child = spawn(program(), { stdio: ["ignore", "ignore", "pipe"], env: { PATH: process.env.PATH } });
    const said = await new Promise<string>((resolve) => child.stderr.once("data", (data) => resolve(String(data))));
    expect(said).toBe("This program is a Terraform provider: Terraform starts it.\n");
  });
});
