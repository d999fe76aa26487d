// What arrives at a customer: the tarball, installed by each package manager against each CDKTF, compiled as CommonJS
// and as ESM with everything strict, and synthesizing what the repository itself synthesizes.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { COMPILATIONS, CustomerProject, FLAVOURS, PACKAGE_MANAGERS } from "./customer-project";
import { bindingsInUse, contentsBelow, expectedFiles, pack, PACKAGE, ROOT, Tarball } from "./tarball";

jest.setTimeout(180_000);

const MEBIBYTE = 1024 * 1024;

/** Has a key generated in a stack; the answer is JSON. */
const GENERATE = `(() => {
  const stack = new (require("cdktf").TerraformStack)(new (require("cdktf").App)(), "stack");
  const { problem } = require("${PACKAGE}").PreSharedKey.generated(stack, "key");
  return { made: stack.node.children.map((child) => child.constructor.name), problem: problem ?? null };
})()`;

let scratch: string;
let tarball: Tarball;
let expected: Synthesized;

interface Synthesized {
  /** The stack's JSON without the version of CDKTF. */
  readonly stack: unknown;
  /** Its assets, by path. */
  readonly assets: Record<string, string>;
}

function synthesized(out: string): Synthesized {
  const directory = path.join(out, "stacks/customer");
  const stack = JSON.parse(fs.readFileSync(path.join(directory, "cdk.tf.json"), "utf8")) as {
    "//": { metadata: { version?: string } };
  };
  delete stack["//"].metadata.version;
  return { stack, assets: contentsBelow(path.join(directory, "assets")) };
}

beforeAll(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-packaging-"));
  tarball = pack(scratch);

  const directory = path.join(scratch, "repository");
  fs.mkdirSync(directory);
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      ...["-r", require.resolve("ts-node/register/transpile-only"), "-r", path.join(ROOT, "test/as-customer.ts")],
      path.join(__dirname, "customer/main.ts"),
    ],
    { cwd: directory, encoding: "utf8", env: { ...process.env, TS_NODE_PROJECT: path.join(ROOT, "tsconfig.json") } },
  );
  if (status !== 0) throw new Error(`the repository does not synthesize the customer's stack:\n${stderr}`);
  expected = synthesized(path.join(directory, "cdktf.out"));
});

afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

describe("the tarball", () => {
  it("holds what customers need and nothing else", () => {
    expect(tarball.files).toEqual(expectedFiles());
  });

  it("holds what the pages in it link to, but for what is about the repository", () => {
    const broken = tarball.files
      .filter((file) => file.endsWith(".md"))
      .flatMap((page) => {
        const text = fs.readFileSync(path.join(tarball.unpacked, page), "utf8");
        return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
          .map(([, target]) => target.replace(/#.*/, ""))
          .filter(
            (target) => target !== "" && !/^https?:/.test(target) && !/^(CONTRIBUTING\.md|measurements\/)/.test(target),
          )
          .filter((target) => !fs.existsSync(path.resolve(tarball.unpacked, path.dirname(page), target)))
          .map((target) => `${page}: ${target}`);
      });
    expect(broken).toEqual([]);
  });

  it("has at most 1 MiB", () => {
    expect(tarball.size).toBeLessThanOrEqual(MEBIBYTE);
  });

  it("runs no script at install", () => {
    expect(Object.keys(tarball.manifest.scripts ?? {})).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(pre|post)?(install|prepare)$/)]),
    );
    expect(tarball.files).not.toContain("binding.gyp");
  });

  it("has what is shared with the customer as peers, and depends on nothing of it", () => {
    expect(tarball.manifest.peerDependencies).toEqual({
      "@cdktf/provider-null": "^11.0.0",
      cdktf: "^0.21.0 || ^0.24.0",
      constructs: "^10.4.2",
      "@cdktf/provider-random": "^12.0.0",
    });
    expect(tarball.manifest.peerDependenciesMeta).toEqual({ "@cdktf/provider-random": { optional: true } });
    expect(Object.keys(tarball.manifest.dependencies ?? {})).toEqual(["ipaddr.js"]);
  });

  it("requires nothing that it does not declare", () => {
    const declared = [
      ...Object.keys(tarball.manifest.dependencies ?? {}),
      ...Object.keys(tarball.manifest.peerDependencies ?? {}),
    ];
    const undeclared = tarball.files
      .filter((file) => /\.(js|d\.ts)$/.test(file))
      .flatMap((file) => {
        const text = fs.readFileSync(path.join(tarball.unpacked, file), "utf8").replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
        return [...text.matchAll(/(?:require\(|from |import\()["']([^."'][^"']*)["']/g)]
          .map(([, request]) => request)
          .filter((request) => !request.startsWith("node:"))
          .filter((request) => !declared.some((name) => request === name || request.startsWith(`${name}/`)))
          .map((request) => `${file}: ${request}`);
      });
    expect(undeclared).toEqual([]);
  });
});

describe.each(FLAVOURS)("a customer with $name", (flavour) => {
  describe.each(PACKAGE_MANAGERS)("and %s", (manager) => {
    let project: CustomerProject;

    beforeAll(() => {
      const name = `${flavour.name}-${manager}`.replace(/[ .]/g, "-");
      project = new CustomerProject(path.join(scratch, name), manager, flavour, tarball);
    });
    afterAll(() => fs.rmSync(project.directory, { recursive: true, force: true }));

    it("installs it whole, with nothing to say about its peers", () => {
      const said = project.install();
      expect(said.split("\n").filter((line) => line.includes(PACKAGE) && /peer|warn/i.test(line))).toEqual([]);
      const installed = project.packageDirectory(PACKAGE);
      expect(contentsBelowPackage(installed)).toEqual(contentsBelow(tarball.unpacked));
    });

    it("has one copy of the library, of cdktf and of constructs", () => {
      const cdktf = flavour.cdktf.startsWith("npm:") ? "cdktn" : "cdktf";
      for (const name of [PACKAGE, cdktf, "constructs"]) {
        expect({ name, copies: project.copies(name) }).toEqual({ name, copies: [expect.any(String)] });
      }
      const library = project.packageDirectory(PACKAGE);
      const nullProvider = project.packageDirectory("@cdktf/provider-null");
      for (const from of [library, nullProvider]) {
        expect(project.packageDirectory("cdktf", from)).toBe(project.packageDirectory("cdktf"));
        expect(project.packageDirectory("constructs", from)).toBe(project.packageDirectory("constructs"));
      }
      expect(project.packageDirectory("@cdktf/provider-null", library)).toBe(nullProvider);
    });

    it("loads no binding that the library does not use", () => {
      const loaded = project.evaluate(
        `(require(${JSON.stringify(PACKAGE)}), Object.keys(require.cache).filter((file) => file.includes("/dist/alicloud/")).map((file) => file.split("/").at(-2)).sort())`,
      );
      expect(loaded).toEqual(bindingsInUse());
    });

    it("generates keys where the optional @cdktf/provider-random is installed, and tells where it is not", () => {
      const answer = project.evaluate(GENERATE) as { made: string[]; problem: string | null };
      if ("@cdktf/provider-random" in flavour.more) {
        expect(answer).toEqual({ made: ["Password"], problem: null });
      } else {
        expect(answer.made).toEqual([]);
        expect(answer.problem).toMatch(/@cdktf\/provider-random; install it$/);
      }
    });

    it("compiles with everything strict, by node10 and by nodenext", () => {
      project.compile();
    });

    it.each(Object.entries(COMPILATIONS))("synthesizes what the repository does: %s", (_, { program }) => {
      expect(synthesized(project.synthesize(program))).toEqual(expected);
    });
  });
});

it("is installed under cdktn as the guide says", () => {
  const guide = fs.readFileSync(path.join(ROOT, "docs/guides/cdktn.md"), "utf8");
  const { dependencies, overrides } = JSON.parse(/```json\n([^]*?)```/.exec(guide)?.[1] ?? "{}") as {
    dependencies: Record<string, string>;
    overrides: unknown;
  };
  const { cdktf, overrides: installed } = FLAVOURS.find((flavour) => flavour.cdktf.startsWith("npm:cdktn@"))!;
  expect(dependencies.cdktf).toBe(cdktf.replace("@", "@^"));
  expect(overrides).toEqual(installed);
});

/** A package's own files; some package managers put its dependencies below it. */
function contentsBelowPackage(directory: string): Record<string, string> {
  const all = contentsBelow(directory);
  return Object.fromEntries(Object.entries(all).filter(([file]) => !file.startsWith("node_modules/")));
}
