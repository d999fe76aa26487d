// What the linters of Python and shell report, by the real ones: all files are looked at together, as it costs little.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { findings } from "../../scripts/lint/findings";
import { Linters } from "../../scripts/lint/linters";

jest.setTimeout(180_000);

const NEWER_LIBRARY = "from itertools import pairwise\n\nprint(pairwise([1, 2]))\n";
const WITHOUT_STRICT = "print(zip([1], [2]))\n";
const NEWER_SYNTAX = "match 1:\n    case 1:\n        print(1)\n";

const PYTHON: Readonly<Record<string, string>> = {
  "well.py": "print(1)\n",
  "typed.py": 'number: int = "one"\n',
  "untyped.py": "def double(number):\n    return 2 * number\n",
  "unused.py": "import os\n",
  "long.py": `print("${"1 ".repeat(60)}")\n`,
  "lab/library.py": NEWER_LIBRARY,
  "lab/syntax.py": NEWER_SYNTAX,
  "lab/zip.py": WITHOUT_STRICT,
  "assets/library.py": NEWER_LIBRARY,
  "assets/zip.py": WITHOUT_STRICT,
  "assets/alias.py": "number: int | None = None\n",
};

const SHELL: Readonly<Record<string, string>> = {
  "well.sh": '#!/bin/sh\necho "$1"\n',
  script: "#!/bin/sh\nrm $1\n",
};

let root: string;
let found: string;

const look = async (python: string[], shell: string[]) => findings(root, { python, shell }, await Linters.installed());

beforeAll(async () => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "findings-"));
  for (const [file, text] of Object.entries({ ...PYTHON, ...SHELL })) {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), text);
  }
  found = await look(Object.keys(PYTHON), Object.keys(SHELL));
});

afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

it.each([
  ["a wrong type", /^typed\.py:1: error: Incompatible types/m],
  ["a function without types", /^untyped\.py:1: error: Function is missing a type annotation/m],
  ["an import that nothing uses", /^unused\.py:1:8: F401/m],
  ["a line longer than 120", /^long\.py:1:121: E501/m],
  ["a function that Python 3.9 lacks, on a box", /^assets\/library\.py:1: error: .*"pairwise"/m],
  ["syntax that Python 3.9 lacks, on a box", /^assets\/alias\.py:1: error: X \| Y syntax for unions/m],
  ["what to write since Python 3.10, in the lab", /^lab\/zip\.py:1:7: B905/m],
  ["an unquoted variable in a script without a suffix", /^script:2:4: .*\[SC2086\]/m],
])("reports %s", (_, line) => {
  expect(found).toMatch(line);
});

it.each(["well.py", "well.sh", "lab/library.py", "lab/syntax.py", "assets/zip.py"])(
  "has nothing to say about %s",
  (file) => {
    expect(found).not.toContain(file);
  },
);

it("is empty when nothing is wrong", async () => {
  expect(await look(["well.py"], ["well.sh"])).toBe("");
});
