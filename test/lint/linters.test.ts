// How the linters of Python and shell are had.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Linters } from "../../scripts/lint/linters";

let scratch: string;
const cache = process.env.XDG_CACHE_HOME;

beforeEach(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), "linters-"));
  process.env.XDG_CACHE_HOME = scratch;
});

afterEach(() => {
  if (cache === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = cache;
  fs.rmSync(scratch, { recursive: true, force: true });
});

it("says in one sentence that PyPI cannot be reached, and keeps nothing", async () => {
  const offline = { ...process.env, PIP_NO_INDEX: "1", PIP_FIND_LINKS: scratch };
  await expect(Linters.installed(offline)).rejects.toThrow(
    /^The linters of scripts\/lint\/requirements\.txt could not be installed by pip, which must reach PyPI once: ERROR: [^\n]+$/,
  );
  expect(fs.readdirSync(path.join(scratch, "cdktf-alicloud-dual-tunnel-vpn/linters"))).toEqual([]);
}, 60_000);

it("names the packages to install where python3 is too old or lacks pip", async () => {
  fs.writeFileSync(path.join(scratch, "python3"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const lacking = { ...process.env, PATH: `${scratch}:${process.env.PATH}` };
  await expect(Linters.installed(lacking)).rejects.toThrow(
    /^Linting Python and shell needs python3 \(3\.10 or newer\) with pip, [^\n]*"sudo apt-get install python3 python3-pip"[^\n]*\.$/,
  );
});
