// Builds what is published into dist/: the compiled library, the bindings that it refers to relatively, and assets/.
// The three lie beside each other as they do in the repository, so that the library finds its assets the same way.
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

const root = path.resolve(__dirname, "..");
const dist = path.join(root, "dist");
const BINDINGS = /(["'])@cdktf\/provider-alicloud\/lib\/([\w-]+)\1/g;

function filesBelow(dir: string): string[] {
  return fs
    .readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

fs.rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", path.join(root, "tsconfig.build.json")], {
  stdio: "inherit",
});
const bindings = path.join(root, "packages/provider-alicloud/lib");
// Customers import bindings one by one: an index of all would only be loaded by mistake.
for (const entry of fs.readdirSync(bindings, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
  fs.cpSync(path.join(bindings, entry.name), path.join(dist, "alicloud", entry.name), { recursive: true });
}
fs.cpSync(path.join(root, "assets"), path.join(dist, "assets"), {
  recursive: true,
  filter: (source) => !/__pycache__|\.pyc$|_cache$/.test(source),
});
for (const file of filesBelow(path.join(dist, "lib"))) {
  const to = path.relative(path.dirname(file), path.join(dist, "alicloud"));
  const text = fs.readFileSync(file, "utf8");
  fs.writeFileSync(
    file,
    text.replace(BINDINGS, (_, quote: string, name: string) => `${quote}${to}/${name}${quote}`),
  );
}
