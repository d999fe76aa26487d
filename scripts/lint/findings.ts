// What ruff, mypy and shellcheck find in our Python and shell; pyproject.toml says how the first two look.
import * as path from "node:path";
import { Linters, type Linter } from "./linters";
import type { Sources } from "./sources";

const CONFIG = path.resolve(__dirname, "../../pyproject.toml");

/** The Python of the oldest supported box, for mypy; ruff reads the same in pyproject.toml. */
const OLDEST_ON_A_BOX = "3.9";

/** What the linters say about files below a root; empty when they have nothing to say. */
export async function findings(root: string, { python, shell }: Sources, linters: Linters): Promise<string> {
  const look = async (linter: Linter, args: readonly string[], files: readonly string[]): Promise<string> => {
    if (files.length === 0) return "";
    const { status, stdout, stderr } = await linters.run(linter, [...args, "--", ...files], root);
    return status === 0 ? "" : `${linter}:\n${stdout}${stderr}`;
  };
  const ruff = ["check", "--config", CONFIG, "--cache-dir", linters.cacheOf("ruff"), "--output-format", "concise"];
  const mypy = ["--config-file", CONFIG, "--cache-dir", linters.cacheOf("mypy")];
  const onBox = python.filter((file) => file.startsWith("assets/"));
  const elsewhere = python.filter((file) => !onBox.includes(file));
  const said = await Promise.all([
    look("ruff", ruff, python),
    look("mypy", [...mypy, "--python-version", OLDEST_ON_A_BOX], onBox),
    look("mypy", mypy, elsewhere),
    look("shellcheck", ["--format", "gcc"], shell),
  ]);
  return said.join("");
}
