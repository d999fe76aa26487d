import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { App, Testing } from "cdktf";
import { assetFiles, assetsDirectory, hashAssets } from "../../lib/host/assets";
import { siteStack } from "./site";

let directory: string;
beforeEach(() => (directory = fs.mkdtempSync(path.join(os.tmpdir(), "assets-"))));
afterEach(() => fs.rmSync(directory, { recursive: true }));

function write(file: string, content: string): void {
  fs.mkdirSync(path.join(directory, path.dirname(file)), { recursive: true });
  fs.writeFileSync(path.join(directory, file), content);
}

describe("the assets", () => {
  it("have a hash that changes with any name and any content", () => {
    write("a/b.py", "1");
    const before = hashAssets(directory);
    write("a/b.py", "2");
    const changed = hashAssets(directory);
    expect(changed).not.toBe(before);
    write("a/c.py", "");
    expect(hashAssets(directory)).not.toBe(changed);
    fs.rmSync(path.join(directory, "a/c.py"));
    fs.renameSync(path.join(directory, "a/b.py"), path.join(directory, "a/d.py"));
    expect(hashAssets(directory)).not.toBe(changed);
  });

  it("have a hash that what Python leaves behind does not change", () => {
    write("a/b.py", "1");
    const before = hashAssets(directory);
    write("a/__pycache__/b.cpython-311.pyc", "x");
    expect(hashAssets(directory)).toBe(before);
    expect(assetFiles(directory)).toEqual(["a/b.py"]);
  });

  it("are copied once for a stack, under a relative path with the hash in it", () => {
    const stack = siteStack();
    const out = Testing.fullSynth(stack);
    const copy = path.join(out, "stacks/test/assets/dual-tunnel-vpn", hashAssets(assetsDirectory()));
    expect(assetFiles(copy)).toEqual(assetFiles(assetsDirectory()));
  });

  it("reach the copy without what Python leaves behind", () => {
    const left = path.join(assetsDirectory(), "__pycache__", `${process.pid}.pyc`);
    fs.mkdirSync(path.dirname(left), { recursive: true });
    fs.writeFileSync(left, "");
    try {
      const out = Testing.fullSynth(siteStack());
      const copied = fs.readdirSync(path.join(out, "stacks/test/assets"), { recursive: true }).map(String);
      expect(copied.filter((file) => file.includes("__pycache__"))).toEqual([]);
    } finally {
      fs.rmSync(left);
      if (fs.readdirSync(path.dirname(left)).length === 0) fs.rmdirSync(path.dirname(left));
    }
  });

  it("leave no older copy beside the newer one", () => {
    const app = App.of(siteStack());
    app.synth();
    const copies = path.join(app.outdir, "stacks/test/assets/dual-tunnel-vpn");
    fs.mkdirSync(path.join(copies, "older"));
    app.synth();
    expect(fs.readdirSync(copies)).toEqual([hashAssets(assetsDirectory())]);
  });
});
