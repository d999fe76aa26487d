// Which files `npm test -- lint` gives to the linters of Python and shell.
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { sourcesOf } from "../../scripts/lint/sources";

describe("the sources of a git worktree", () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "sources-"));
  const write = (file: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), text);
  };

  beforeAll(() => {
    execFileSync("git", ["init", "--quiet", root]);
    write(".gitignore", "ignored/\n");
    write("module.py", "");
    write("with-options", "#!/usr/bin/python3 -IB\n");
    write("functions.sh", "");
    write("folder/with-env", "#!/usr/bin/env bash\n");
    write("folder/posix", "#!/bin/sh");
    write("ignored/module.py", "");
    write("node", "#!/usr/bin/env node\n");
    write("prose", "This is /bin/sh's.\n");
    write("empty", "");
    write("removed.py", "");
    execFileSync("git", ["add", "."], { cwd: root });
    fs.rmSync(path.join(root, "removed.py"));
    write("not-added-yet.py", "");
  });

  afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

  it("are told by suffix or first line, without what git ignores and what is gone", () => {
    const { python, shell } = sourcesOf(root);
    expect([...python].sort()).toEqual(["module.py", "not-added-yet.py", "with-options"]);
    expect([...shell].sort()).toEqual(["folder/posix", "folder/with-env", "functions.sh"]);
  });
});

it("finds what runs on the box, in the lab, in tests and in CI", () => {
  const { python, shell } = sourcesOf(path.resolve(__dirname, "../.."));
  expect(python).toEqual(
    expect.arrayContaining([
      "assets/dual-tunnel-vpn",
      "assets/dual_tunnel_vpn/cli.py",
      "bench/agent/bare-loop.py",
      "lab/traffic/flows.py",
      "test/lab/hostile_user.py",
    ]),
  );
  expect(shell).toEqual(expect.arrayContaining([".ci/run", "assets/install.sh", "lab/world/world.sh"]));
});
