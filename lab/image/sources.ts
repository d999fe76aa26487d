// Where Debian's packages come from: the host's own apt sources as far as they serve a release of Debian that we know. A
// mirror has all releases, so that one release's sources tell those of another.
import { readdirSync, readFileSync } from "fs";
import { join } from "path";
import { SYSTEMS, type System } from "./systems";

/** A release we know, then what is appended to it. */
const SUITE = new RegExp(
  `^(?:${Object.values(SYSTEMS)
    .map(({ codename }) => codename)
    .join("|")})(-updates|-security)?/?$`,
);

interface Source {
  readonly types: string[];
  readonly uris: string[];
  readonly suites: string[];
  readonly components: string[];
  readonly signedBy?: string;
  readonly enabled: boolean;
}

/** Parses apt's one-line format: `deb [signed-by=KEY] URI SUITE COMPONENT...`. */
export function parseOneLine(text: string): Source[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^#\s]+)*)/.exec(line);
    if (!match) {
      return [];
    }
    const [, type, options, uri, suite, components] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options ?? "")?.[1];
    return [
      {
        types: [type],
        uris: [uri],
        suites: [suite],
        components: components.split(/\s+/).filter(Boolean),
        signedBy,
        enabled: true,
      },
    ];
  });
}

/** Parses apt's deb822 format: stanzas of `Field: value`, continued by indented lines. */
export function parseDeb822(text: string): Source[] {
  const withoutComments = text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n");
  return withoutComments.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    for (const match of stanza.matchAll(/^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)/gm)) {
      fields.set(match[1].toLowerCase(), match[2].trim());
    }
    if (!fields.has("uris")) {
      return [];
    }
    const words = (name: string) => (fields.get(name) ?? "").split(/\s+/).filter(Boolean);
    const signedBy = fields.get("signed-by");
    return [
      {
        types: words("types"),
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        signedBy: signedBy?.includes("BEGIN PGP") ? "embedded" : signedBy,
        enabled: !/^(no|false|0)$/i.test(fields.get("enabled") ?? "yes"),
      },
    ];
  });
}

/** One-line sources of a release out of those of a host; other vendors' repositories and unknown releases are left out. */
export function linesFor({ codename }: System, sources: Source[]): string[] {
  const lines = sources
    .filter((source) => source.enabled && source.types.includes("deb") && source.components.includes("main"))
    .filter((source) => source.signedBy === undefined || source.signedBy.includes("debian-archive"))
    .flatMap((source) =>
      source.suites
        .map((suite) => SUITE.exec(suite))
        .filter((match) => match !== null)
        .flatMap(([, pocket = ""]) => source.uris.map((uri) => `deb ${uri} ${codename}${pocket} main`)),
    );
  const unique = [...new Set(lines)];
  return unique.some((line) => line.split(" ")[2] === codename) ? unique : [];
}

/**
 * The sources to build a system from: DUAL_TUNNEL_VPN_LAB_MIRROR when set (a Debian mirror's URL), else the host's own,
 * else none (mmdebstrap then takes its default).
 */
export function aptSources(
  system: System,
  etcApt = "/etc/apt",
  mirror = process.env.DUAL_TUNNEL_VPN_LAB_MIRROR,
): string[] {
  if (mirror) {
    return [`deb ${mirror} ${system.codename} main`];
  }
  const read = (path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  let parts: string[] = [];
  try {
    parts = readdirSync(join(etcApt, "sources.list.d")).sort();
  } catch {
    // A host without apt has none.
  }
  return linesFor(system, [
    ...parseOneLine(read(join(etcApt, "sources.list"))),
    ...parts.flatMap((name) => {
      const text = read(join(etcApt, "sources.list.d", name));
      return name.endsWith(".sources") ? parseDeb822(text) : name.endsWith(".list") ? parseOneLine(text) : [];
    }),
  ]);
}
