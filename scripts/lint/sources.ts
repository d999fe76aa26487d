// Which of the files in git, and of those about to be added, are Python and which are shell.
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

/** Paths below the root that was asked about. */
export interface Sources {
  readonly python: readonly string[];
  readonly shell: readonly string[];
}

/** A file without a suffix tells by its first line which program reads it. */
const SHEBANGS = { python: /^#!.*\bpython3?\b/, shell: /^#!.*\b(ba|da)?sh\b/ };

const SUFFIXES: Readonly<Record<string, keyof Sources>> = { ".py": "python", ".sh": "shell" };

function firstLine(file: string): string {
  const start = Buffer.alloc(128);
  const descriptor = fs.openSync(file, "r");
  try {
    fs.readSync(descriptor, start);
  } finally {
    fs.closeSync(descriptor);
  }
  return start.toString("latin1").split("\n")[0];
}

function kindOf(file: string): keyof Sources | undefined {
  const suffix = path.extname(file);
  if (suffix) return SUFFIXES[suffix];
  const line = firstLine(file);
  return (["python", "shell"] as const).find((kind) => SHEBANGS[kind].test(line));
}

/** Everything that is Python or shell in a git worktree, except what git ignores. */
export function sourcesOf(root: string): Sources {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  const files = [...new Set(listed.split("\0"))].filter((file) =>
    fs.statSync(path.join(root, file), { throwIfNoEntry: false })?.isFile(),
  );
  const ofKind = (kind: keyof Sources) => files.filter((file) => kindOf(path.join(root, file)) === kind);
  return { python: ofKind("python"), shell: ofKind("shell") };
}
