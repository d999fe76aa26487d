import { RandomProvider } from "@cdktf/provider-random/lib/provider";
import { TerraformVariable } from "cdktf";
import * as fc from "fast-check";
import { DualTunnelVpn, PreSharedKey } from "../../lib";
import { PSK_PUNCTUATION, pskProblem } from "../../lib/ipsec/pre-shared-key";
import { NEW_GATEWAY, newStack, problems, SITE, siteStack, synthesized, synthesizedSite, warnings } from "./site";

const LETTERS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const allowed = fc.constantFrom(...LETTERS_AND_DIGITS, ...PSK_PUNCTUATION);
const key = fc.string({ unit: allowed, minLength: 1, maxLength: 100 });
const refused = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 1 })
  .filter((character) => ![...LETTERS_AND_DIGITS, ...PSK_PUNCTUATION].includes(character));

describe("a pre-shared key", () => {
  it("may hold every character that Alibaba Cloud accepts", () => {
    fc.assert(fc.property(key, (text) => expect(pskProblem(text)).toBeUndefined()));
  });

  it("may hold no other, and no sentence repeats the key", () => {
    fc.assert(
      fc.property(fc.string({ unit: allowed, minLength: 8, maxLength: 40 }), refused, fc.nat(), (text, bad, at) => {
        const position = at % (text.length + 1);
        const problem = pskProblem(text.slice(0, position) + bad + text.slice(position));
        expect(problem).toContain("has a character that Alibaba Cloud refuses");
        expect(problem).not.toContain(text);
      }),
    );
  });

  it.each([" ", '"', "\\", "é", "\n", "\t"])("may not hold %j", (character) =>
    expect(pskProblem(`abc${character}def`)).toContain("(the 4th)"),
  );

  it.each([
    [1, "1st"],
    [2, "2nd"],
    [3, "3rd"],
    [4, "4th"],
    [11, "11th"],
    [12, "12th"],
    [13, "13th"],
    [21, "21st"],
    [93, "93rd"],
  ])("has its bad character pointed out by place: %d", (place, words) =>
    expect(pskProblem(`${"a".repeat(place - 1)} b`)).toContain(`(the ${words})`),
  );

  it("has 1 to 100 characters", () => {
    expect(pskProblem("")).toContain("has 0 characters; give 1 to 100");
    expect(pskProblem("a".repeat(101))).toContain("has 101 characters; give 1 to 100");
    expect(pskProblem("a".repeat(100))).toBeUndefined();
  });

  it("is checked by Terraform with the same rule", () => {
    const { resource } = synthesizedSite();
    const { precondition } = resource.alicloud_vpn_connection.singapore_connection.lifecycle as {
      precondition: { condition: string }[];
    };
    const { condition } = precondition[0];
    const text = /regex\("(.*)", var\.singapore_psk_active\)/.exec(condition)![1];
    // RE2 and JavaScript differ in one thing here: a leading ] in a class.
    const pattern = new RegExp(text.replace("[]", "[\\]"));
    fc.assert(fc.property(key, (sample) => expect(sample).toMatch(pattern)));
    fc.assert(fc.property(refused, (bad) => expect(`abc${bad}def`).not.toMatch(pattern)));
    expect("").not.toMatch(pattern);
    expect("a".repeat(101)).not.toMatch(pattern);
  });
});

describe("where a pre-shared key comes from", () => {
  it("is a sensitive variable for each tunnel unless something else is given", () => {
    const { variable, resource } = synthesizedSite();
    expect(variable).toMatchObject({
      singapore_psk_active: { type: "string", sensitive: true, nullable: false },
      singapore_psk_standby: { type: "string", sensitive: true, nullable: false },
    });
    const tunnels = resource.alicloud_vpn_connection.singapore_connection.tunnel_options_specification as {
      tunnel_ike_config: { psk: string };
    }[];
    expect(tunnels.map((tunnel) => tunnel.tunnel_ike_config.psk)).toEqual([
      "${sensitive(var.singapore_psk_active)}",
      "${sensitive(var.singapore_psk_standby)}",
    ]);
  });

  it("has no validation on the variable, because Terraform would print the key", () => {
    const { variable } = synthesizedSite();
    expect(variable!.singapore_psk_active).not.toHaveProperty("validation");
  });

  it("is treated as sensitive whatever the variable says", () => {
    const stack = newStack();
    const plain = new TerraformVariable(stack, "plain", { type: "string" });
    const marked = new TerraformVariable(stack, "marked", { type: "string", sensitive: true });
    new DualTunnelVpn(stack, "vpn", {
      ...SITE,
      activeTunnel: { preSharedKey: PreSharedKey.fromVariable(plain) },
      standbyTunnel: { preSharedKey: PreSharedKey.fromVariable(marked) },
    });
    const connection = synthesized(stack).resource.alicloud_vpn_connection.singapore_connection;
    const tunnels = connection.tunnel_options_specification as { tunnel_ike_config: { psk: string } }[];
    expect(tunnels.map((tunnel) => tunnel.tunnel_ike_config.psk)).toEqual([
      "${sensitive(var.plain)}",
      "${sensitive(var.marked)}",
    ]);
  });

  it("is no literal text unless that is unwrapped, and the refusal does not repeat it", () => {
    const stack = siteStack({ activeTunnel: { preSharedKey: PreSharedKey.fromToken("secretsecret") } });
    expect(problems(stack)).toEqual([
      "active tunnel: preSharedKey is literal text; give a Terraform variable, or unwrap it by PreSharedKey.unsafeLiteral.",
    ]);
  });

  it("is refused with its place and without its text when a literal has a bad character", () => {
    const stack = siteStack({ standbyTunnel: { preSharedKey: PreSharedKey.unsafeLiteral("secret secret") } });
    const [problem, ...others] = problems(stack);
    expect(others).toEqual([]);
    expect(problem).toMatch(
      /^standby tunnel: preSharedKey has a character that Alibaba Cloud refuses \(the 7th\); use/,
    );
    expect(problem).not.toContain("secret ");
  });

  it("arrives whole when it holds Terraform's own template characters", () => {
    const stack = siteStack({ activeTunnel: { preSharedKey: PreSharedKey.unsafeLiteral("a${b}%{c}$$d'`") } });
    expect(problems(stack)).toEqual([]);
    const connection = synthesized(stack).resource.alicloud_vpn_connection.singapore_connection;
    const [tunnel] = connection.tunnel_options_specification as { tunnel_ike_config: { psk: string } }[];
    const encoded = /^\$\{sensitive\(base64decode\("(.*)"\)\)\}$/.exec(tunnel.tunnel_ike_config.psk)![1];
    expect(Buffer.from(encoded, "base64").toString()).toBe("a${b}%{c}$$d'`");
  });

  it("may be an expression written as text, quotes and all", () => {
    const preSharedKey = PreSharedKey.fromToken('${lookup(data.vault.secrets, "vpn key")}');
    const stack = siteStack({ activeTunnel: { preSharedKey } });
    expect(problems(stack)).toEqual([]);
    const { resource, locals } = synthesized(stack);
    const connection = resource.alicloud_vpn_connection.singapore_connection;
    const [tunnel] = connection.tunnel_options_specification as { tunnel_ike_config: { psk: string } }[];
    expect(tunnel.tunnel_ike_config.psk).toBe('${sensitive(lookup(data.vault.secrets, "vpn key"))}');
    expect(locals!.singapore_secrets_1_conf).toContain(
      '0s${base64encode(sensitive(lookup(data.vault.secrets, "vpn key")))}',
    );
    const { precondition } = connection.lifecycle as { precondition: { condition: string }[] };
    expect(precondition[0].condition).toContain(', sensitive(lookup(data.vault.secrets, "vpn key"))))}');
  });

  it("can be made by Terraform, of characters that both ends accept", () => {
    const stack = newStack();
    new RandomProvider(stack, "random");
    const preSharedKey = PreSharedKey.generated(stack, "active-key", 40);
    new DualTunnelVpn(stack, "vpn", { ...SITE, activeTunnel: { preSharedKey } });
    expect(problems(stack)).toEqual([]);
    const { resource, variable } = synthesized(stack);
    const password = resource.random_password["active-key"] as { length: number; override_special: string };
    expect(password.length).toBe(40);
    expect(pskProblem(password.override_special)).toBeUndefined();
    const connection = resource.alicloud_vpn_connection.singapore_connection;
    const [tunnel] = connection.tunnel_options_specification as { tunnel_ike_config: { psk: string } }[];
    expect(tunnel.tunnel_ike_config.psk).toBe("${sensitive(random_password.active-key.result)}");
    expect(Object.keys(variable!)).toEqual(["singapore_psk_standby"]);
  });

  it.each([8, 19, 101, 20.5])("is not made of %d characters, too few or too many", (length) => {
    const stack = newStack();
    const preSharedKey = PreSharedKey.generated(stack, "active-key", length);
    new DualTunnelVpn(stack, "vpn", { ...SITE, activeTunnel: { preSharedKey } });
    expect(problems(stack)).toEqual([
      `active tunnel: preSharedKey is to be generated with ${length} characters; give 20 to 100.`,
    ]);
  });

  it.each([20, 100])("can be made of %d characters", (length) => {
    expect(PreSharedKey.generated(newStack(), "active-key", length).problem).toBeUndefined();
  });

  it("cannot be made without the optional package, and says so in a sentence", () => {
    jest.doMock("@cdktf/provider-random/lib/password", () => {
      throw new Error("Cannot find module");
    });
    try {
      const stack = siteStack({ activeTunnel: { preSharedKey: PreSharedKey.generated(newStack(), "key") } });
      expect(problems(stack)).toEqual([
        "active tunnel: preSharedKey cannot be generated without the package @cdktf/provider-random; install it.",
      ]);
    } finally {
      jest.dontMock("@cdktf/provider-random/lib/password");
      jest.resetModules();
    }
  });

  it("is warned about when one serves both tunnels", () => {
    const stack = newStack();
    const variable = new TerraformVariable(stack, "one", { type: "string", sensitive: true });
    const sentence = "preSharedKey is one for both tunnels: whoever learns it has both; give each tunnel its own.";
    const pairs: [string, PreSharedKey, PreSharedKey, boolean][] = [
      ["a", PreSharedKey.fromVariable(variable), PreSharedKey.fromVariable(variable), true],
      ["b", PreSharedKey.unsafeLiteral("x".repeat(20)), PreSharedKey.unsafeLiteral("x".repeat(20)), true],
      ["c", PreSharedKey.unsafeLiteral("x".repeat(20)), PreSharedKey.unsafeLiteral("y".repeat(20)), false],
    ];
    for (const [name, first, second, warned] of pairs) {
      const own = newStack();
      new DualTunnelVpn(own, "vpn", {
        ...SITE,
        name,
        gateway: { ...NEW_GATEWAY, checkZones: false },
        activeTunnel: { preSharedKey: first },
        standbyTunnel: { preSharedKey: second },
      });
      expect(warnings(own).includes(sentence)).toBe(warned);
    }
  });

  it("is not in a condition that Terraform would quote when it is a literal", () => {
    const literal = PreSharedKey.unsafeLiteral("literal-literal");
    const { resource } = synthesizedSite({ activeTunnel: { preSharedKey: literal } });
    const { precondition } = resource.alicloud_vpn_connection.singapore_connection.lifecycle as {
      precondition: unknown[];
    };
    expect(precondition).toHaveLength(1);
    expect(JSON.stringify(precondition)).not.toContain("literal-literal");
  });
});
