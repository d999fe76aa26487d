// site.json: the library and the box's parser have one format. Each bound is tried at both ends: what the library takes,
// the box takes, and what lies beyond is refused by both.
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import * as fc from "fast-check";
import {
  BgpOptions,
  DualTunnelVpn,
  Encryption,
  Integrity,
  IpsecDualConnection,
  Routing,
  StrongswanHost,
  StrongswanHostProps,
  TunnelOptions,
} from "../../lib";
import { derivedMark, derivedNumber, derivedPort, derivedVirtualRouterId } from "../../lib/host/numbers";
import { SITE_BOUNDS, SITE_PATTERNS, SITE_VERSION } from "../../lib/host/site-format";
import { newStack, problems, SITE, synthesized, TWO_BOXES, UPLINK_1, UPLINK_2 } from "./site";

jest.setTimeout(60_000);

/** What a Python program over the box's package prints as JSON, given JSON. */
function python(program: string, input: unknown = null): unknown {
  const run = spawnSync("python3", ["-B", "-c", `import json, sys\nfrom dual_tunnel_vpn import site\n${program}`], {
    cwd: path.join(__dirname, "../../assets"),
    input: JSON.stringify(input),
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout);
}

/** What the box's parser says to each text: empty when it takes it. */
function parsed(texts: readonly string[]): string[] {
  const program = `
def said(text):
    try:
        site.parse(text)
        return ""
    except site.SiteError as error:
        return str(error)
print(json.dumps([said(text) for text in json.load(sys.stdin)]))`;
  return python(program, texts) as string[];
}

type Section = Record<string, unknown>;

type Changes = Partial<Omit<StrongswanHostProps, "connection">> & {
  readonly name?: string;
  readonly gatewayBandwidth?: number;
  readonly tunnels?: TunnelOptions;
  readonly bgp?: Partial<BgpOptions> & { readonly asn?: number };
};

/** What the library makes of a box's options, and what it says to them. */
function rendered({ name = "singapore", gatewayBandwidth, tunnels = {}, bgp, ...changes }: Changes): {
  text: string;
  complaints: string[];
} {
  const stack = newStack();
  const connection = IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "connection", {
    name,
    vpnConnectionId: "vco-1",
    vpcCidrs: ["192.168.0.0/16"],
    dataCenterCidrs: ["172.16.0.0/16"],
    asn: bgp && (bgp.asn ?? 65010),
    routing: bgp && Routing.bgp({ tunnelCidrs: ["169.254.11.0/30", "169.254.12.0/30"], ...bgpOptions(bgp) }),
    activeTunnel: { ...tunnels, ipsecAddress: "192.0.2.152", egressIp: UPLINK_1.egressIp },
    standbyTunnel: { ...tunnels, ipsecAddress: "192.0.2.10", egressIp: UPLINK_2.egressIp },
    gatewayBandwidth,
  });
  new StrongswanHost(stack, "box", { connection, uplinks: [UPLINK_1, UPLINK_2], ssh: SITE.ssh, ...changes });
  const locals = synthesized(stack).locals!;
  const site = Object.entries(locals).find(([local]) => local.endsWith("_site_json"))![1];
  return { text: site, complaints: problems(stack) };
}

/** What the library makes of the two boxes of a pair, and what it says to them. */
function renderedPair(prefixLength: number, bgp = false): { texts: string[]; complaints: string[] } {
  const stack = newStack();
  const boxes = ["172.1.3.2", "172.1.3.3"].map((address, index) => ({
    ...TWO_BOXES.boxes[index],
    uplink: { address: `10.0.${index}.1/24`, gateway: `10.0.${index}.2`, egressIp: `198.51.100.${index + 1}` },
    lan: { address: `${address}/${prefixLength}` },
  }));
  const routing = bgp ? Routing.bgp({ tunnelCidrs: ["169.254.11.0/30", "169.254.12.0/30"] }) : undefined;
  const ofLan = { boxes, virtualGateway: "172.1.3.1", dataCenterCidrs: ["172.1.0.0/16"] };
  new DualTunnelVpn(stack, "vpn", { ...TWO_BOXES, ...ofLan, routing, asn: 65010 });
  const locals = synthesized(stack).locals!;
  const texts = [1, 2].map((number) =>
    locals[`singapore_site_json_of_box_${number}`].replaceAll(/\$\{[^}]*disaster[^}]*\}/g, "192.0.2.10"),
  );
  return { texts: texts.map((text) => text.replaceAll(/\$\{[^}]*\}/g, "192.0.2.152")), complaints: problems(stack) };
}

function bgpOptions({ cloudAsn, holdSeconds }: Partial<BgpOptions>): Partial<BgpOptions> {
  return { cloudAsn, holdSeconds };
}

type Field = keyof typeof SITE_BOUNDS;

/** The algorithms that leave the largest MTU, and the uplinks that they want. */
const LARGE: Changes = {
  uplinks: [
    { address: "198.51.100.198/24", gateway: "198.51.100.1" },
    { address: "203.0.113.181/24", gateway: "203.0.113.1" },
  ],
};
const LARGE_TUNNELS = { esp: { encryption: Encryption.DES, integrity: Integrity.MD5 }, natTraversal: false };

/** How an option of the library brings a number into site.json; of the others the library derives what it writes. */
const OPTIONS: Partial<Record<Field, (value: number) => Changes>> = {
  bandwidthMbps: (gatewayBandwidth) => ({ gatewayBandwidth }),
  routeMetric: (routeMetric) => ({ routeMetric }),
  "uplinks.prefixLength": (length) => ({
    uplinks: [{ address: `10.0.0.1/${length}`, gateway: "10.0.0.2" }, UPLINK_2],
  }),
  "tunnels.mtu": (mtu) => ({ ...LARGE, tunnels: { ...LARGE_TUNNELS, mtu } }),
  "agent.probeIntervalMs": (probeIntervalMs) => ({ agent: { probeIntervalMs } }),
  "agent.probeMisses": (probeMisses) => ({ agent: { probeMisses } }),
  "agent.holdSeconds": (holdSeconds) => ({ agent: { holdSeconds } }),
  "bgp.cloudAsn": (cloudAsn) => ({ bgp: { cloudAsn } }),
  "bgp.asn": (asn) => ({ bgp: { asn } }),
  "bgp.holdSeconds": (holdSeconds) => ({ bgp: { holdSeconds } }),
};

const FIELDS = Object.keys(SITE_BOUNDS) as Field[];
const BEYOND = FIELDS.flatMap((field) => {
  const [least, most] = SITE_BOUNDS[field];
  return [[field, least - 1] as const, [field, most + 1] as const];
});

describe("the format of site.json", () => {
  it("is one table for the library and for the box", () => {
    const table = python(
      "print(json.dumps({'version': site.VERSION, 'bounds': site.BOUNDS, 'patterns': site.PATTERNS}))",
    );
    expect(table).toEqual({ version: SITE_VERSION, bounds: SITE_BOUNDS, patterns: SITE_PATTERNS });
  });

  it("is taken by the box as the library renders it", () => {
    for (const changes of [{}, { bgp: {} }]) {
      const { text, complaints } = rendered(changes);
      expect([complaints, parsed([text])]).toEqual([[], [""]]);
    }
  });

  it("is taken by both boxes of a pair as the library renders it, with the shortest and the longest prefix of a LAN", () => {
    for (const length of SITE_BOUNDS["pair.lan.prefixLength"]) {
      for (const bgp of [false, true]) {
        const { texts, complaints } = renderedPair(length, bgp);
        expect([length, complaints]).toEqual([length, []]);
        expect(parsed(texts)).toEqual(["", ""]);
      }
    }
  });

  it("is refused by the library one beyond the prefixes of a LAN", () => {
    for (const length of [7, 30]) expect(renderedPair(length).complaints).not.toEqual([]);
  });

  it("is taken by both at each bound of each option", () => {
    const tried = Object.entries(OPTIONS).flatMap(([field, changes]) =>
      SITE_BOUNDS[field as Field].map((value) => ({ field, value, ...rendered(changes(value)) })),
    );
    const said = parsed(tried.map(({ text }) => text));
    expect(
      tried.map(({ field, value, complaints }, index) => ({ field, value, complaints, box: said[index] })),
    ).toEqual(tried.map(({ field, value }) => ({ field, value, complaints: [], box: "" })));
  });

  it("is refused by the library one beyond each bound of each option", () => {
    for (const [field, value] of BEYOND) {
      const option = OPTIONS[field];
      if (option)
        expect({ field, value, refused: rendered(option(value)).complaints.length > 0 }).toEqual({
          field,
          value,
          refused: true,
        });
    }
  });

  it("is refused by the box one beyond each bound, in words that name the field", () => {
    const texts = BEYOND.map(([field, value]) => {
      const text = field.startsWith("pair.") ? renderedPair(24).texts[0] : rendered({ bgp: {} }).text;
      const document = JSON.parse(text) as Section;
      const steps = field.split(".");
      const section = steps.slice(0, -1).reduce((outer, step) => {
        const inner = outer[step] as Section | Section[];
        return Array.isArray(inner) ? inner.at(-1)! : inner;
      }, document);
      section[steps.at(-1)!] = value;
      return JSON.stringify(document);
    });
    const said = parsed(texts);
    BEYOND.forEach(([field, value], index) =>
      expect({ field, value, said: said[index].replace(/\[\d\]/, "") }).toEqual({
        field,
        value,
        said: expect.stringMatching(new RegExp(`^site.json: ${field} must be a (whole )?number from `)) as string,
      }),
    );
  });

  it("holds derived numbers within their bounds", () => {
    fc.assert(
      fc.property(fc.stringMatching(new RegExp(`^${SITE_PATTERNS.name}$`)), fc.constantFrom(1, 2), (name, number) => {
        for (const [field, value] of [
          ["uplinks.table", derivedNumber(name, number)],
          ["tunnels.ifId", derivedNumber(name, number)],
          ["uplinks.mark", derivedMark(name, number)],
          ["pair.virtualRouterId", derivedVirtualRouterId(name)],
          ["pair.port", derivedPort(name)],
        ] as const) {
          expect(value).toBeGreaterThanOrEqual(SITE_BOUNDS[field][0]);
          expect(value).toBeLessThanOrEqual(SITE_BOUNDS[field][1]);
        }
      }),
    );
  });

  it.each([
    ["a", true],
    ["abcdefghijk", true],
    ["abcdefghijkl", false],
    ["1a", false],
    ["a_b", false],
  ])("has the name %s judged alike by both: %s", (name, right) => {
    const { text, complaints } = rendered({ name });
    expect([complaints.length === 0, parsed([text])[0] === ""]).toEqual([right, right]);
  });

  it.each([
    ["eth0", true],
    ["a".repeat(15), true],
    ["a".repeat(16), false],
    ["..", false],
    ["a/b", false],
  ])("has the device %s judged alike by both: %s", (device, right) => {
    const { text, complaints } = rendered({ uplinks: [{ ...UPLINK_1, device }, UPLINK_2] });
    expect([complaints.length === 0, parsed([text])[0] === ""]).toEqual([right, right]);
  });
});
