// The commands that the documentation tells people to type are typed here, word by word, in new directories, with the
// packed tarball in the place of the package's name and everything else from the registry.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Fence, recipesIn } from "../docs/markdown";
import { EXAMPLES, PAGES } from "../docs/project";
import { outsideOfNpm } from "./customer-project";
import { pack, PACKAGE, ROOT, Tarball } from "./tarball";

jest.setTimeout(300_000);

const RECIPES = new Map(PAGES.flatMap((page) => [...recipesIn(path.join(ROOT, page))]));

let scratch: string;
let tarball: Tarball;

beforeAll(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-recipes-"));
  tarball = pack(scratch);
});
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** Runs a line in a directory and answers what it prints; it has to end with 0 unless `status` says otherwise. */
function type(directory: string, line: string, status = 0): string {
  const command = /^npm install\b/.test(line)
    ? line.replace(new RegExp(` ${PACKAGE}(?= |$)`), ` ${tarball.file}`)
    : line;
  const ended = spawnSync("sh", ["-ec", command], {
    cwd: directory,
    encoding: "utf8",
    // Where a person types: in CI Jest would write no snapshot.
    env: { ...outsideOfNpm(), CI: "false", CHECKPOINT_DISABLE: "1", npm_config_prefer_offline: "true" },
  });
  if (ended.error) throw ended.error;
  if (ended.status !== status) throw new Error(`${line}\nended with ${ended.status}:\n${ended.stdout}${ended.stderr}`);
  return ended.stdout + ended.stderr;
}

/** Does what a recipe says in a new directory. */
function follow(steps: readonly Fence[], directory: string): void {
  fs.mkdirSync(directory, { recursive: true });
  for (const { file, language, code } of steps) {
    if (language === "sh") {
      for (const line of code.trim().split("\n")) type(directory, line);
    } else if (file !== undefined) {
      const text =
        file === "package.json" ? code.replace(/("cdktf-alicloud[\w-]+": )"[^"]*"/, `$1"file:${tarball.file}"`) : code;
      fs.writeFileSync(path.join(directory, file), text);
    }
  }
}

const stacksIn = (directory: string) =>
  fs
    .readdirSync(path.join(directory, "cdktf.out/stacks"))
    .filter((stack) => fs.existsSync(path.join(directory, "cdktf.out/stacks", stack, "cdk.tf.json")));

function recipe(name: string): string {
  const steps = RECIPES.get(name);
  if (steps === undefined) throw new Error(`the documentation has no recipe ${name}`);
  const directory = path.join(scratch, name);
  follow(steps, directory);
  return directory;
}

it("finds every recipe of the documentation in this file", () => {
  const source = fs.readFileSync(__filename, "utf8");
  expect([...RECIPES.keys()].filter((name) => !source.includes(`recipe("${name}")`))).toEqual([]);
});

it("synthesizes the README's stack as the README says", () => {
  expect(stacksIn(recipe("minimal"))).toEqual(["singapore"]);
});

it("synthesizes every example as examples/README.md says", () => {
  const directory = recipe("example");
  expect(stacksIn(directory)).toEqual(["one-uplink"]);
  for (const example of EXAMPLES) {
    const again = RECIPES.get("example")!.at(-1)!.code.trim().split("\n").slice(-2);
    for (const line of again) type(directory, line.replace("one-uplink", example));
    expect(stacksIn(directory)).toContain(example);
  }
});

it("goes into a project that cdktf init made, whose own tests still pass", () => {
  const directory = recipe("cdktf-init");
  expect(stacksIn(directory)).toEqual(["one-uplink"]);
  type(directory, "npm test");
});

it("keeps a snapshot as the guide says", () => {
  const directory = recipe("snapshot-tests");
  expect(fs.readdirSync(path.join(directory, "__snapshots__"))).toEqual(["stack.test.ts.snap"]);
  expect(type(directory, "npx jest --ci")).toMatch(/Snapshots: +1 passed, 1 total/);
  const shown = RECIPES.get("snapshot-tests")!.find(({ file }) => file === "jest.config.js")?.code;
  expect(fs.readFileSync(path.join(ROOT, "examples/project/jest.config.js"), "utf8")).toBe(shown);
});

it("runs under cdktn as the guide says, and names the guide where cdktn is beside cdktf", () => {
  const directory = recipe("cdktn");
  expect(stacksIn(directory)).toEqual(["one-uplink"]);

  const beside = path.join(scratch, "beside");
  fs.mkdirSync(beside);
  type(beside, `npm install ${PACKAGE} cdktn`);
  const main = fs.readFileSync(path.join(directory, "main.ts"), "utf8");
  fs.writeFileSync(path.join(beside, "main.ts"), main.replace('from "cdktf"', 'from "cdktn"'));
  for (const file of ["tsconfig.json", "cdktf.json"])
    fs.copyFileSync(path.join(directory, file), path.join(beside, file));
  type(beside, "npm install --save-dev typescript@5.9 ts-node@10 @types/node@20");
  const said = type(beside, "npx ts-node main.ts", 1);
  const [sentence, ...more] = said.trim().split("\n");
  expect(more).toEqual([]);
  const [guide] = /node_modules\/\S+\.md/.exec(sentence) ?? [];
  expect(fs.existsSync(path.join(beside, guide ?? "nothing"))).toBe(true);
});
