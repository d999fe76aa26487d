// What cdktf.json runs: bin/main.ts, its TypeScript and lib/'s turned into JavaScript by esbuild in one go and in memory.
// Nothing is cached, so nothing can be stale; ts-node would take most of the time of a `cdktf synth`.
const path = require("node:path");
const { buildSync } = require("esbuild");

const root = path.resolve(__dirname, "..");
const { outputFiles } = buildSync({
  absWorkingDir: root,
  entryPoints: ["bin/**/*.ts", "lib/**/*.ts"],
  outbase: root,
  outdir: root,
  write: false,
  format: "cjs",
  platform: "node",
  target: "node20",
});
const compiled = new Map(outputFiles.map(({ path: file, text }) => [file.replace(/\.js$/, ".ts"), text]));

require.extensions[".ts"] = (module, file) => module._compile(compiled.get(file), file);
require("./main.ts");
