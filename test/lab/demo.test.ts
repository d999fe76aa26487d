// The how-to page end to end: `npm run demo` as a newcomer runs it.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Check } from "../../lab/demo/reporter";
import { Demo, until } from "./demo-process";

describe("npm run demo", () => {
  it(
    "holds every check from the first deployment to the box as it was",
    async () => {
      const json = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "demo-")), "demo.json");
      const demo = new Demo(["--json", json]);
      try {
        const status = await new Promise((resolve) => demo.child.once("close", resolve));
        const report = JSON.parse(fs.readFileSync(json, "utf8")) as { held: boolean; checks: Check[] };
        if (status !== 0) console.error(demo.output);
        expect(report.checks.filter(({ held }) => !held)).toEqual([]);
        expect({ status, held: report.held }).toEqual({ status: 0, held: true });
        await until("every process of the demo is gone", 15, () => demo.processes.length === 0);
        fs.rmSync(path.dirname(json), { recursive: true });
      } finally {
        demo.kill(() => true);
      }
    },
    20 * 60_000,
  );
});
