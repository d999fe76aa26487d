// What the lab asks of its host.
import { imageKey } from "../../lab/image/image";
import { backports } from "../../lab/image/qemu";
import { SYSTEMS, systemOfEnvironment } from "../../lab/image/systems";
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
  it("follows the system and the package sources, and is stable otherwise", () => {
    const one = ["deb http://one.example/debian bookworm main"];
    const debian12 = (sources: string[]) => imageKey(SYSTEMS["debian-12"], sources);
    expect(debian12(one)).toBe(debian12([...one]));
    expect(debian12(one)).not.toBe(debian12(["deb http://two.example/debian bookworm main"]));
    expect(imageKey(SYSTEMS["debian-13"], [])).not.toBe(debian12([]));
    expect(imageKey(SYSTEMS["el9-like"], one)).not.toBe(debian12(one));
    expect(imageKey(SYSTEMS["debian-12"], one, "generic")).not.toBe(debian12(one));
  });
});

describe("the box's system", () => {
  it("is Debian 12 unless the environment names another", () => {
    expect(systemOfEnvironment("")).toBe("debian-12");
    expect(systemOfEnvironment("debian-13")).toBe("debian-13");
  });

  it("is refused in one sentence where the lab has no such box", () => {
    expect(() => systemOfEnvironment("toString")).toThrow(
      /^DUAL_TUNNEL_VPN_LAB_SYSTEM is "toString", .*: set it to debian-12, debian-13 or el9-like\.$/,
    );
  });
});

describe("QEMU of Debian's backports", () => {
  const sources = [
    "deb http://one.example/debian bookworm main",
    "deb http://one.example/debian-security bookworm-security main",
  ];

  it("comes from the host's own mirror, signed by Debian", () => {
    expect(backports(sources, 'PRETTY_NAME="Debian"\nVERSION_CODENAME=bookworm\n')).toEqual([
      "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://one.example/debian bookworm-backports main",
    ]);
  });

  it("is left alone where another release's libraries are", () => {
    expect(backports(sources, "VERSION_CODENAME=noble\n")).toEqual([]);
  });
});
