// Which providers a run uses: the user's choice, the user's own CLI configuration, and the stand-ins as a last resort.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { CHOICE_VARIABLE, prepareProviders } from "../../lab/terraform/providers";
import { CACHE } from "./workspace";

jest.setTimeout(300_000);

let directory: string;
const saved = { ...process.env };
beforeEach(() => (directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-providers-"))));
afterEach(() => {
  for (const name of ["TF_CLI_CONFIG_FILE", CHOICE_VARIABLE]) {
    if (saved[name] === undefined) delete process.env[name];
    else process.env[name] = saved[name];
  }
  fs.rmSync(directory, { recursive: true, force: true });
});

/** A CLI configuration whose only source of providers is an empty mirror: no registry is asked. */
function emptyMirror(): string {
  const file = path.join(directory, "user.rc");
  const mirror = path.join(directory, "mirror");
  fs.mkdirSync(mirror);
  fs.writeFileSync(file, `provider_installation {\n  filesystem_mirror {\n    path = "${mirror}"\n  }\n}\n`);
  return file;
}

it("uses what the user's own CLI configuration finds, and leaves that file alone", async () => {
  // The stand-ins' own mirror in the part of the user's.
  const { env } = await prepareProviders({ cacheDir: CACHE, choice: "stand-in" });
  const file = path.join(directory, "user.rc");
  fs.copyFileSync(String(env.TF_CLI_CONFIG_FILE), file);
  const before = fs.readFileSync(file, "utf8");
  process.env.TF_CLI_CONFIG_FILE = file;
  expect(await prepareProviders({ cacheDir: directory })).toMatchObject({
    env: { TF_CLI_CONFIG_FILE: file },
    standIn: false,
  });
  expect(fs.readFileSync(file, "utf8")).toBe(before);
  expect(fs.readdirSync(directory)).toEqual(["user.rc"]);
});

it("stands in where the user's configuration finds none, and says so in one line", async () => {
  process.env.TF_CLI_CONFIG_FILE = emptyMirror();
  const prepared = await prepareProviders({ cacheDir: CACHE });
  expect(prepared.standIn).toBe(true);
  expect(prepared.env.TF_CLI_CONFIG_FILE).not.toBe(process.env.TF_CLI_CONFIG_FILE);
  expect(prepared.description).toMatch(/^Providers: stand-ins for alicloud, null and random \(.+\)\.$/);
});

it("refuses to stand in where the real ones are asked for", async () => {
  process.env.TF_CLI_CONFIG_FILE = emptyMirror();
  await expect(prepareProviders({ cacheDir: CACHE, choice: "real" })).rejects.toThrow(/^No real provider/);
});

it("drops an inherited configuration that does not exist", async () => {
  process.env.TF_CLI_CONFIG_FILE = path.join(directory, "gone.rc");
  const { env, standIn } = await prepareProviders({ cacheDir: CACHE, patience: 30 });
  if (standIn) expect(env.TF_CLI_CONFIG_FILE).toMatch(/stand-in-providers-/);
  else expect(env.TF_CLI_CONFIG_FILE).toBeUndefined();
});

it("gives up on an init that takes too long", async () => {
  process.env.TF_CLI_CONFIG_FILE = emptyMirror();
  expect((await prepareProviders({ cacheDir: CACHE, patience: 0.001 })).description).toContain("did not end within");
});

it("takes the choice from the environment, and knows only two", async () => {
  process.env[CHOICE_VARIABLE] = "stand-in";
  expect((await prepareProviders({ cacheDir: CACHE })).description).toContain(`${CHOICE_VARIABLE} asks for them`);
  process.env[CHOICE_VARIABLE] = "fake";
  await expect(prepareProviders({ cacheDir: CACHE })).rejects.toThrow("it must be real, stand-in or unset");
});

it("makes the same mirror once, and another for another place", async () => {
  const one = await prepareProviders({ cacheDir: directory, choice: "stand-in" });
  const made = fs.statSync(String(one.env.TF_CLI_CONFIG_FILE)).mtimeMs;
  const again = await prepareProviders({ cacheDir: directory, choice: "stand-in" });
  expect(again).toEqual(one);
  expect(fs.statSync(String(one.env.TF_CLI_CONFIG_FILE)).mtimeMs).toBe(made);
  expect(fs.readdirSync(directory)).toHaveLength(1);
});
