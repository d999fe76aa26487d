// What callers without a type checker give: every construct answers with sentences at synth, and with nothing else.
import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { App, TerraformIterator, TerraformStack, TerraformVariable, Token } from "cdktf";
import * as fc from "fast-check";
import {
  Charge,
  CustomerGatewayPair,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  DualTunnelVpnProps,
  HostKey,
  IpsecDualConnection,
  PeerConfiguration,
  PreSharedKey,
  RoutingMode,
  StrongswanHost,
} from "../../lib";
import {
  EXISTING_CUSTOMER_GATEWAYS,
  EXISTING_GATEWAY,
  NEW_GATEWAY,
  newStack,
  problems,
  SITE,
  TWO_BOXES,
  UPLINK_1,
  UPLINK_2,
  warnings,
} from "./site";

type Bag = Record<string, unknown>;

/** The problems of a site with options of any kind. */
function site(changes: Bag): string[] {
  const stack = newStack();
  new DualTunnelVpn(stack, "vpn", { ...SITE, ...changes });
  return problems(stack);
}

const without = (key: keyof DualTunnelVpnProps) => site({ [key]: undefined });

/** Every way to make a construct of ours, with its options as they should be. */
const MAKERS: Readonly<
  Record<
    string,
    { readonly right: (stack: TerraformStack) => Bag; readonly make: (stack: TerraformStack, props: never) => unknown }
  >
> = {
  DualTunnelVpn: { right: () => ({ ...SITE }), make: (stack, props) => new DualTunnelVpn(stack, "made", props) },
  "DualTunnelVpn with two boxes": {
    right: () => Object.fromEntries(Object.entries(TWO_BOXES).filter(([, value]) => value !== undefined)),
    make: (stack, props) => new DualTunnelVpn(stack, "made", props),
  },
  DualTunnelVpnGateway: {
    right: () => ({
      ...NEW_GATEWAY,
      name: "office",
      charge: Charge.payAsYouGo(),
      autoPropagate: true,
      tags: { a: "b" },
    }),
    make: (stack, props) => new DualTunnelVpnGateway(stack, "made", props),
  },
  "a gateway that exists": {
    right: () => ({ ...EXISTING_GATEWAY }),
    make: (stack, props) => DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "made", props),
  },
  CustomerGatewayPair: {
    right: () => ({
      egressIps: [UPLINK_1.egressIp, UPLINK_2.egressIp],
      name: "office",
      asn: 65010,
      ignoreChanges: ["tags"],
    }),
    make: (stack, props) => new CustomerGatewayPair(stack, "made", props),
  },
  "customer gateways that exist": {
    right: () => ({ ...EXISTING_CUSTOMER_GATEWAYS }),
    make: (stack, props) => CustomerGatewayPair.fromCustomerGatewayPairAttributes(stack, "made", props),
  },
  IpsecDualConnection: {
    right: (stack) => ({
      gateway: DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", EXISTING_GATEWAY),
      customerGateways: CustomerGatewayPair.fromCustomerGatewayPairAttributes(
        stack,
        "pair",
        EXISTING_CUSTOMER_GATEWAYS,
      ),
      name: "office",
      dataCenterCidrs: ["172.16.0.0/16"],
      tunnels: { ike: { lifetimeSeconds: 86400 }, dpd: true },
      activeTunnel: { mtu: 1400, cloudId: "cloud" },
    }),
    make: (stack, props) => new IpsecDualConnection(stack, "made", props),
  },
  "a connection that exists": {
    right: () => ({
      name: "office",
      vpnConnectionId: "vco-1",
      vpcCidrs: ["192.168.0.0/16"],
      dataCenterCidrs: ["172.16.0.0/16"],
      activeTunnel: { ipsecAddress: "192.0.2.152", egressIp: UPLINK_1.egressIp },
      standbyTunnel: { ipsecAddress: "192.0.2.10", egressIp: UPLINK_2.egressIp },
      routing: RoutingMode.DESTINATION,
      asn: 65010,
    }),
    make: (stack, props) => IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "made", props),
  },
  StrongswanHost: {
    right: (stack) => ({
      connection: new DualTunnelVpn(new TerraformStack(stack.node.root, "other"), "vpn", SITE).connection,
      uplinks: SITE.uplinks,
      ssh: {
        host: "another.example.com",
        hostKey: HostKey.unchecked(),
        bastion: { host: "jump", hostKey: HostKey.unchecked() },
      },
      agent: { vpcProbeAddresses: ["192.168.10.10"], outerMove: true },
    }),
    make: (stack, props) => new StrongswanHost(stack, "made", props),
  },
};
const makers = Object.keys(MAKERS);

/** The problems of what is made, of this stack alone. */
function made(maker: string, change: (right: Bag) => unknown): string[] {
  const stack = newStack();
  const { right, make } = MAKERS[maker];
  make(stack, change(right(stack)) as never);
  return problems(stack);
}

describe.each(makers)("%s", (maker) => {
  it("has nothing to say about what is right", () => {
    expect(made(maker, (right) => right)).toEqual([]);
  });

  it.each([
    ["are missing", undefined],
    ["are known only to Terraform", Token.asAny("${var.options}")],
    ["are null", null],
    ["are text", "office"],
    ["are a list", []],
    ["are a function", () => undefined],
  ])("says so when its options %s, and nothing else", (what, options) => {
    expect(made(maker, () => options)).toEqual([expect.stringMatching(`^the options ${what}; give an object with `)]);
  });

  it("names each option that is missing, all together, and nothing else", () => {
    const required = /give an object with (.*)\.$/.exec(made(maker, () => undefined)[0])![1].split(", ");
    const expected = required.map((key) => expect.stringMatching(`^${key} is missing; give `) as unknown);
    expect(made(maker, () => ({}))).toEqual(expected);
    // A site with two boxes is asked for other options than one of which nothing is known.
    for (const key of required.filter((each) => each in MAKERS[maker].right(newStack()))) {
      expect(made(maker, (right) => ({ ...right, [key]: undefined }))).toEqual([
        expect.stringMatching(`^${key} is missing; give .*\\.$`),
      ]);
    }
  });

  it("names an option that is null, or of another kind", () => {
    const { right } = MAKERS[maker];
    for (const key of Object.keys(right(newStack()))) {
      for (const [value, what] of [
        [null, "null"],
        [Symbol("x"), "a symbol"],
        [() => 1, "a function"],
      ] as const) {
        expect(made(maker, (all) => ({ ...all, [key]: value }))).toEqual([
          expect.stringMatching(`^${key} is ${what}; give .*\\.$`),
        ]);
      }
    }
  });

  it("says what was meant by a misspelt option, and warns of one that nobody knows", () => {
    const { right, make } = MAKERS[maker];
    for (const key of Object.keys(right(newStack()))) {
      const misspelt = key.toUpperCase();
      const change = ({ [key]: value, ...rest }: Bag) => ({ ...rest, [misspelt]: value });
      expect(made(maker, change)).toEqual([`${misspelt} is not an option; write ${key}.`]);
    }
    const stack = newStack();
    make(stack, { ...right(stack), farFromAny: 1 } as never);
    expect(warnings(stack).filter((text) => text.includes("farFromAny"))).toEqual([
      expect.stringMatching(/^farFromAny is not an option and has no effect; the options here are /),
    ]);
  });

  it("answers anything at all with sentences", () => {
    const anything = fc.anything({
      maxDepth: 2,
      maxKeys: 3,
      withNullPrototype: true,
      withSparseArray: true,
      withDate: true,
    });
    fc.assert(
      fc.property(fc.infiniteStream(anything), fc.infiniteStream(fc.nat(9)), (junk, dice) => {
        // Anything in place of an option, or of something inside it, in about half of the places.
        const spoil = (value: unknown, depth: number): unknown => {
          if (dice.next().value! < 2) return junk.next().value as unknown;
          if (depth === 3 || typeof value !== "object" || value === null) return value;
          if (Array.isArray(value)) return value.map((each) => spoil(each, depth + 1));
          if (Object.getPrototypeOf(value) !== Object.prototype) return value;
          return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, spoil(inner, depth + 1)]));
        };
        for (const sentence of made(maker, (right) => spoil(right, 0))) {
          expect(sentence).toMatch(/^[^]*[a-z][^]*\.$/);
          expect(sentence).not.toMatch(/undefined|\[object|TfToken/);
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it("says in a sentence that it needs a stack around it, and an id", () => {
    const { make, right } = MAKERS[maker];
    const props = right(newStack()) as never;
    const scopes: [unknown, RegExp][] = [
      [new App(), /the scope is in no stack; give a TerraformStack, or a construct in one\.$/],
      [undefined, /the scope is missing;/],
      [{}, /the scope is no construct;/],
    ];
    for (const [scope, sentence] of scopes) expect(() => make(scope as TerraformStack, props)).toThrow(sentence);
  });
});

describe("a site", () => {
  it("tells everything that is missing inside its options, all together", () => {
    expect(
      site({
        name: undefined,
        gateway: { vpc: { cidrBlock: "192.168.0.0/16" }, vswitches: [{ id: "vsw-1" }] },
        uplinks: [{ address: "172.16.1.93/24" }, null],
        ssh: { host: process.env.A_VARIABLE_THAT_NOBODY_SET, hostKey: "ecdsa-sha2-nistp256 AAAA", bastion: "jump" },
        activeTunnel: { preSharedKey: "secret-text" },
        tags: { team: null },
        tunnels: { esp: { lifetimeSeconds: "3600" } },
      }),
    ).toEqual([
      "gateway.vpc.id is missing; give text, for example vpc-….",
      "uplinks[0].gateway is missing; give text, for example 172.16.1.253.",
      "uplinks[0].egressIp is missing; give text, for example 198.51.100.198.",
      "uplinks[1] is null; give an object with address, gateway and egressIp.",
      "ssh.host is missing; give text, for example box.example.com.",
      "ssh.hostKey is text; give a HostKey, for example HostKey.of(publicKey).",
      "ssh.bastion is text; give an object with host and hostKey, or leave it out.",
      "name is missing; give text, for example singapore.",
      "tunnels.esp.lifetimeSeconds is text; give a number, or leave it out.",
      "activeTunnel.preSharedKey is text; give a PreSharedKey, for example PreSharedKey.fromVariable(variable), or leave it out.",
      "tags.team is null; give text, for example network.",
      "vswitches has 1 entry; give two, the active tunnel's first.",
    ]);
  });

  it.each(["name", "gateway", "dataCenterCidrs", "uplinks", "ssh"] as const)("without %s is told that alone", (key) => {
    expect(without(key)).toEqual([expect.stringMatching(`^${key} is missing; give .*\\.$`)]);
  });

  it("takes a list that was made, and tells its length", () => {
    const uplinks = [UPLINK_1, UPLINK_2].map((uplink) => ({ ...uplink }));
    expect(site({ uplinks })).toEqual([]);
    expect(site({ uplinks: [...uplinks, UPLINK_1] })).toContain(
      "uplinks has 3 entries; give one for both tunnels, or one for each.",
    );
  });

  it("names an option that is nearly one", () => {
    expect(
      site({ uplinks: [{ adress: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: UPLINK_1.egressIp }] }),
    ).toEqual(["uplinks[0].adress is not an option; write address."]);
    expect(site({ publishRoute: false })).toEqual(["publishRoute is not an option; write publishRoutes."]);
  });

  it("takes nothing that iterates for a name or a block", () => {
    const iterator = TerraformIterator.fromList(["10.1.0.0/16"]);
    expect(site({ name: iterator.value })).toEqual([
      "name is known only to Terraform; give it as text, because much is named after it.",
    ]);
    expect(() => site({ dataCenterCidrs: [iterator.value] })).not.toThrow();
    expect(site({ dataCenterCidrs: iterator })).toEqual([
      'dataCenterCidrs is an object; give a list of blocks, for example ["172.16.0.0/16"].',
    ]);
  });

  it("refuses one value of Terraform's for an object of options", () => {
    const stack = newStack();
    const value: unknown = new TerraformVariable(stack, "v", { type: "any" }).value;
    const given = {
      ...SITE,
      agent: value,
      tunnels: value,
      activeTunnel: { ike: value, esp: value },
      ssh: { ...SITE.ssh, bastion: value },
      tags: value,
    };
    new DualTunnelVpn(stack, "vpn", given as never);
    const end = ", or leave it out.";
    expect(problems(stack)).toEqual([
      `ssh.bastion is known only to Terraform; give an object with host and hostKey${end}`,
      `agent is known only to Terraform; give an object of AgentOptions${end}`,
      `tunnels is known only to Terraform; give an object of TunnelOptions${end}`,
      `activeTunnel.ike is known only to Terraform; give an object of IkeOptions${end}`,
      `activeTunnel.esp is known only to Terraform; give an object of EspOptions${end}`,
    ]);
  });

  it("refuses one list of Terraform's where the library has to see each", () => {
    const stack = newStack();
    const v = new TerraformVariable(stack, "v", { type: "list(any)" });
    const given = {
      ...SITE,
      gateway: { ...NEW_GATEWAY, vswitches: v.value as never },
      uplinks: v.listValue as never,
      agent: { vpcProbeAddresses: v.listValue },
    };
    new DualTunnelVpn(stack, "vpn", given);
    new CustomerGatewayPair(stack, "pair", { egressIps: v.listValue });
    expect(problems(stack)).toEqual([
      "gateway.vswitches is one Terraform list; give them one by one.",
      "uplinks is one Terraform list; give them one by one.",
      "agent.vpcProbeAddresses is one Terraform list; give them one by one.",
      "egressIps is one Terraform list; give them one by one.",
    ]);
    expect(made("StrongswanHost", (right) => ({ ...right, uplinks: Token.asList("${var.uplinks}") }))).toEqual([
      "uplinks is one Terraform list; give them one by one.",
    ]);
  });

  it("takes bindings' classes for the VPC, the vSwitches and the provider", () => {
    const stack = newStack();
    class Vpc {
      get id(): string {
        return "vpc-1";
      }
      readonly cidrBlock = "192.168.0.0/16";
    }
    const provider = new AlicloudProvider(stack, "second", { alias: "second", region: "ap-southeast-1" });
    new DualTunnelVpn(stack, "vpn", { ...SITE, gateway: { ...NEW_GATEWAY, vpc: new Vpc() }, provider });
    expect(problems(stack)).toEqual([]);
  });
});

describe("a value that is made before a construct", () => {
  const nothing = [undefined, null, 7, {}, []] as unknown as string[];

  it.each(["fromToken", "unsafeLiteral"] as const)(
    "PreSharedKey.%s never throws, and is told by the connection",
    (make) => {
      for (const value of nothing) {
        expect(site({ activeTunnel: { preSharedKey: PreSharedKey[make](value) } })).toEqual([
          expect.stringMatching(/^active tunnel: preSharedKey is .*; give .*\.$/),
        ]);
      }
    },
  );

  it("PreSharedKey.fromVariable never throws either", () => {
    for (const value of [...nothing, "text"]) {
      const preSharedKey = PreSharedKey.fromVariable(value as unknown as TerraformVariable);
      expect(site({ activeTunnel: { preSharedKey } })).toEqual([
        "active tunnel: preSharedKey is made from something that is no TerraformVariable; give one of type string.",
      ]);
    }
  });

  it("Charge.subscription tells a length that is not sold", () => {
    const charge = Charge.subscription("12" as unknown as number);
    expect(site({ gateway: { ...NEW_GATEWAY, charge } })).toEqual([
      "charge: a subscription of text months is not sold; choose one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36.",
    ]);
  });

  it("PeerConfiguration.of says in a sentence what it needs", () => {
    for (const value of nothing) {
      expect(() => PeerConfiguration.of(value as never)).toThrow(
        /^PeerConfiguration\.of: the connection is .*; give an IpsecDualConnection\.$/,
      );
    }
  });
});
