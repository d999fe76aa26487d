// What the lab asks of its host.
import { imageKey } from "../../lab/image/image";
import { ensureTools, missingPackages } from "../../lab/image/tools";

describe("the host's programs", () => {
  it("are named by their Debian packages when missing", () => {
    const there = (program: string) => program !== "qemu-system-x86_64" && program !== "mke2fs";
    expect(missingPackages(there)).toEqual(expect.arrayContaining(["qemu-system-x86", "e2fsprogs"]));
    expect(missingPackages(there)).not.toContain("tar");
  });

  it("are asked for in one sentence with the whole command when we may not install them", () => {
    const lacking = { missing: ["qemu-system-x86", "mmdebstrap"], mayInstall: false };
    expect(() => ensureTools(() => undefined, lacking)).toThrow(
      /^The lab needs programs that this host lacks: .*"sudo apt-get install --yes --no-install-recommends qemu-system-x86 mmdebstrap"[^\n]*\.$/,
    );
  });

  it("are left alone when all are there", () => {
    const lines: string[] = [];
    ensureTools((line) => lines.push(line), { missing: [], mayInstall: false });
    expect(lines).toEqual([]);
  });
});

describe("the images' name in the cache", () => {
  it("follows the package sources and is stable otherwise", () => {
    const one = ["deb http://one.example/debian bookworm main"];
    expect(imageKey(one)).toBe(imageKey([...one]));
    expect(imageKey(one)).not.toBe(imageKey(["deb http://two.example/debian bookworm main"]));
  });
});
