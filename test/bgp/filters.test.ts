// What the real BIRD takes and tells with the bird.conf that the box renders: random prefixes both ways, nothing leaks.
import * as path from "node:path";
import { runBound } from "../../lab/process";
import { unpacked } from "../debian-packages";

/** BIRD, and of what it depends on that which is seldom there already. */
const PACKAGES = ["bird2", "libssh-gcrypt-4"];

/** Where BIRD is; undefined, with the reason said, where it cannot be had. */
const bird = (() => {
  try {
    return unpacked("bird", PACKAGES, "The real BIRD");
  } catch (error) {
    process.stderr.write(`test/bgp is skipped: ${(error as Error).message}\n`);
    return undefined;
  }
})();

(bird === undefined ? it.skip : it)(
  "takes only what lies in the VPC, tells only the data center's blocks and halves, and 0 prefixes leak",
  async () => {
    const seed = process.env.SEED ?? String(Math.floor(Math.random() * 2 ** 32));
    const { status, stdout, stderr } = await runBound("python3", ["-m", "bgp.filters", bird!, seed], {
      cwd: path.join(__dirname, ".."),
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
      timeoutMs: 170_000,
    });
    expect({ seed, status, stderr }).toEqual({ seed, status: 0, stderr: "" });
    const counts = JSON.parse(stdout) as Record<string, number>;
    expect(counts["told times"]).toBe(60);
    expect(counts.taken).toBeGreaterThan(50);
    expect(counts.told).toBeGreaterThan(100);
  },
  180_000,
);
