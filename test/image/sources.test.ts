// Which of the host's apt sources the lab's images are built from.
import * as fc from "fast-check";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "fs";
import { tmpdir } from "os";
import { join } from "path";
import { aptSources, linesFor, parseDeb822, parseOneLine } from "../../lab/image/sources";
import { SYSTEMS } from "../../lab/image/systems";

const { "debian-12": BOOKWORM, "debian-13": TRIXIE } = SYSTEMS;

const DEB822 = `# comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
# comment within
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`;

describe("the host's apt sources", () => {
  it("are read in deb822 format, with continued lines, comments and several stanzas", () => {
    expect(linesFor(BOOKWORM, parseDeb822(DEB822))).toEqual([
      "deb http://mirror.example/debian bookworm main",
      "deb http://mirror.example/debian bookworm-updates main",
      "deb http://mirror.example/debian-security bookworm-security main",
    ]);
  });

  it("are read in one-line format, with and without options", () => {
    const text = [
      "deb http://mirror.example/debian bookworm main contrib # comment",
      "deb [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] http://mirror.example/debian bookworm-updates main",
      "deb-src http://mirror.example/debian bookworm main",
      "# deb http://mirror.example/other bookworm main",
    ].join("\n");
    expect(linesFor(BOOKWORM, parseOneLine(text))).toEqual([
      "deb http://mirror.example/debian bookworm main",
      "deb http://mirror.example/debian bookworm-updates main",
    ]);
  });

  it.each([
    ["another vendor's key", "deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.example bookworm main"],
    ["a release that the lab does not know", "deb http://mirror.example/debian sid main"],
    ["sources without main", "deb http://vendor.example bookworm stable"],
  ])("leave out %s", (_what, line) => {
    const debian = "deb http://mirror.example/debian bookworm main";
    expect(linesFor(BOOKWORM, parseOneLine(`${debian}\n${line}`))).toEqual([debian]);
  });

  it("tell where another release's packages are, whichever of the two the host runs", () => {
    const trixie = [
      "deb http://mirror.example/debian trixie main",
      "deb http://mirror.example/debian trixie-updates main",
      "deb http://mirror.example/debian-security trixie-security main",
    ];
    expect(linesFor(TRIXIE, parseDeb822(DEB822))).toEqual(trixie);
    const host = parseOneLine(trixie.join("\n"));
    expect(linesFor(BOOKWORM, host)).toEqual(linesFor(BOOKWORM, parseDeb822(DEB822)));
  });

  it("leave out what is switched off", () => {
    expect(linesFor(BOOKWORM, parseDeb822(`${DEB822}Enabled: no\n`))).not.toContain(
      "deb http://mirror.example/debian-security bookworm-security main",
    );
  });

  it("are none at all when the host has no release itself, so that mmdebstrap takes its default", () => {
    expect(linesFor(BOOKWORM, parseOneLine("deb http://mirror.example/debian bookworm-security main"))).toEqual([]);
  });

  it("give only lines that apt understands, whatever the files hold", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const line of linesFor(BOOKWORM, [...parseOneLine(text), ...parseDeb822(text)])) {
          expect(line).toMatch(/^deb \S+ bookworm(-updates|-security)? main$/);
        }
      }),
    );
  });

  it("are found in sources.list and in both kinds of file beside it, and the mirror variable overrides them", () => {
    const directory = mkdtempSync(join(tmpdir(), "apt-"));
    try {
      mkdirSync(join(directory, "sources.list.d"));
      writeFileSync(join(directory, "sources.list"), "deb http://one.example/debian bookworm main\n");
      writeFileSync(join(directory, "sources.list.d", "two.list"), "deb http://two.example/debian bookworm main\n");
      writeFileSync(join(directory, "sources.list.d", "debian.sources"), DEB822);
      writeFileSync(join(directory, "sources.list.d", "off.save"), "deb http://off.example/debian bookworm main\n");
      expect(aptSources(BOOKWORM, directory, undefined).map((line) => line.split(" ")[1])).toEqual([
        "http://one.example/debian",
        "http://mirror.example/debian",
        "http://mirror.example/debian",
        "http://mirror.example/debian-security",
        "http://two.example/debian",
      ]);
      expect(aptSources(BOOKWORM, directory, "http://mine.example/debian")).toEqual([
        "deb http://mine.example/debian bookworm main",
      ]);
      expect(aptSources(TRIXIE, directory, "http://mine.example/debian")).toEqual([
        "deb http://mine.example/debian trixie main",
      ]);
      expect(aptSources(BOOKWORM, join(directory, "absent"), undefined)).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
