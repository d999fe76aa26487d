// The same input gives the same bytes on every machine: no date, no random value and no path of the machine is in
// what the library synthesizes, so that customers can keep snapshots of it.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Project, ROOT } from "./project";

jest.setTimeout(60_000);

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-bytes-"));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

const main = fs.readFileSync(path.join(ROOT, "test/packaging/customer/main.ts"), "utf8");

function synthesizeAs(name: string, environment: NodeJS.ProcessEnv): string {
  const project = new Project(path.join(scratch, name), { "main.ts": main });
  return project.synthesize(environment).customer;
}

it("synthesizes the same bytes in another directory, zone, language and name", () => {
  const here = synthesizeAs("here", { TZ: "UTC", LANG: "C", USER: "alice", HOME: "/home/alice" });
  const there = synthesizeAs("there", { TZ: "Asia/Singapore", LANG: "de_DE.UTF-8", USER: "bob", HOME: "/home/bob" });
  expect(there).toBe(here);
});

it("names no place of the machine and no date", () => {
  const json = synthesizeAs("elsewhere", {});
  const places = [scratch, ROOT, os.tmpdir(), os.homedir(), os.hostname()].filter((place) => place.length > 3);
  expect(places.filter((place) => json.includes(place))).toEqual([]);
  expect(json).not.toMatch(/\b20\d\d-[01]\d-[0-3]\d\b/);
});
