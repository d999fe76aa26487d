// Every example of the documentation and of examples/ compiles strictly, synthesizes what its snapshot says, and is
// accepted by Terraform. The worked example, bin/, has tests of its own.
// `npx jest --selectProjects docs -u` accepts a change.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fencesIn } from "./markdown";
import { complaints, EXAMPLES, forSnapshot, PAGES, Project, ROOT } from "./project";
import { refusal } from "../provider/validate";

jest.setTimeout(120_000);

const all = PAGES.flatMap((page) => fencesIn(path.join(ROOT, page)).map((fence) => ({ ...fence, page })));
const fences = all.filter(({ language }) => /^(ts|typescript)$/.test(language));
const place = ({ page, line }: { page: string; line: number }) => `${page}:${line}`;

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-docs-"));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

const projects = new Map<string, Project>();
for (const { page, marker, name } of fences) {
  if (marker !== "example" || projects.has(name)) continue;
  const files = fences.filter((fence) => fence.page === page && fence.name === name);
  projects.set(
    name,
    new Project(path.join(scratch, name), Object.fromEntries(files.map(({ file = "", code }) => [file, code]))),
  );
}
for (const example of EXAMPLES) {
  const main = fs.readFileSync(path.join(ROOT, "examples", example, "main.ts"), "utf8");
  projects.set(`examples/${example}`, new Project(path.join(scratch, "examples", example), { "main.ts": main }));
}
const synthesized = new Map<Project, Record<string, string>>();
const stacksOf = (project: Project): Record<string, string> => {
  const stacks = synthesized.get(project) ?? project.synthesize();
  synthesized.set(project, stacks);
  return stacks;
};
const synthesizing = [...projects].filter(([, project]) => !project.isTest);
const testing = [...projects].filter(([, project]) => project.isTest);

it("finds a named example behind every fence of TypeScript", () => {
  expect(fences.filter(({ marker }) => marker !== "example").map(place)).toEqual([]);
});

it("finds a language on every fence", () => {
  expect(all.filter(({ language }) => language === "").map(place)).toEqual([]);
});

it("finds a recipe that is run, or the reason why it is not, behind every fence of commands", () => {
  const commands = all.filter(({ language }) => language === "sh");
  expect(commands.filter(({ marker }) => marker !== "recipe" && marker !== "by hand").map(place)).toEqual([]);
});

it("finds each example's name on one page only", () => {
  const places = new Set(fences.map(({ page, name, file }) => `${page} ${name} ${file}`));
  expect(places.size).toBe(fences.length);
  expect(new Set([...places].map((place) => place.split(" ").slice(1).join(" "))).size).toBe(fences.length);
});

it("compiles every example with everything strict", () => {
  expect(complaints([...projects.values()])).toEqual([]);
});

it.each(synthesizing)("synthesizes the example %s as it did", (_, project) => {
  const stacks = stacksOf(project);
  expect(project.warnings).toBe("");
  expect(
    Object.fromEntries(Object.entries(stacks).map(([stack, json]) => [stack, forSnapshot(json, project.directory)])),
  ).toMatchSnapshot();
});

it.each(synthesizing)("synthesizes of the example %s what terraform validate accepts", async (_, project) => {
  const stacks = Object.keys(stacksOf(project));
  expect(stacks).not.toEqual([]);
  for (const stack of stacks) expect(await refusal(project.stackDirectory(stack))).toBe("");
});

it.each(testing)("passes the tests that the example %s shows", (_, project) => {
  project.test();
});
