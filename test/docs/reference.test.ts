// The API reference is made from docstrings, and no page of the documentation links to what is not there.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as library from "../../lib";
import { PAGES, ROOT } from "./project";

jest.setTimeout(120_000);

describe("npm run docs", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-reference-"));
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

  it("writes a page for every name that the library exports", () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [path.join(ROOT, "node_modules/typedoc/bin/typedoc"), "--out", directory, "--logLevel", "Warn"],
      { cwd: ROOT, encoding: "utf8" },
    );
    expect({ status, said: status === 0 ? "" : stdout + stderr }).toEqual({ status: 0, said: "" });
    const pages = fs
      .readdirSync(directory, { recursive: true, encoding: "utf8" })
      .map((page) => path.basename(page, ".md"));
    expect(pages).toEqual(expect.arrayContaining(Object.keys(library)));
    expect(fs.readFileSync(path.join(directory, "interfaces/DualTunnelVpnProps.md"), "utf8")).toContain(
      "CIDR blocks of the data center that the VPC reaches",
    );
  });
});

describe("the documentation", () => {
  it.each(PAGES)("links in %s only to what is there", (page) => {
    const text = fs.readFileSync(path.join(ROOT, page), "utf8");
    const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target)
      .filter((target) => !/^(https?:|#)/.test(target))
      .filter((target) => !fs.existsSync(path.resolve(ROOT, path.dirname(page), target.replace(/#.*/, ""))));
    expect(broken).toEqual([]);
  });

  it("names in its architecture only files that are there", () => {
    const text = fs.readFileSync(path.join(ROOT, "docs/architecture.md"), "utf8");
    const named = [...text.matchAll(/`((?:assets|bench|lab|lib|test)\/[\w./-]*)`/g)].map(([, name]) => name);
    expect(named).toContain("lib/names.ts");
    expect(named.filter((name) => !fs.existsSync(path.join(ROOT, name)))).toEqual([]);
    const modules = [...text.matchAll(/`((?:\w+\/)*\w+\.py)`/g)].map(([, name]) => name);
    const sources = ["assets/dual_tunnel_vpn", "lab/cloud-end/cloud_end"];
    const inside = sources.flatMap((each) =>
      fs.readdirSync(path.join(ROOT, each), { recursive: true, encoding: "utf8" }),
    );
    const places = ["", ...sources.flatMap((each) => [each, ...inside.map((place) => path.join(each, place))])];
    const isThere = (name: string) => places.some((place) => fs.existsSync(path.join(ROOT, place, name)));
    expect(modules.filter((name) => !isThere(name))).toEqual([]);
  });
});
