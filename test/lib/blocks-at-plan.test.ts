// The conditions as Terraform evaluates them, against the checks at synth: each one run over many blocks.
import { IResolvable, TerraformStack, TerraformVariable } from "cdktf";
import * as fc from "fast-check";
import { DualTunnelVpn, IpsecDualConnection, StrongswanHost } from "../../lib";
import { areApart, blockPreconditions, isInOneOf } from "../../lib/cloud/blocks-at-plan";
import { NO_NETWORKS } from "../../lib/cloud/rules";
import { blockProblem, contains, formatAddress, overlap, parseBlock, SHARED_ADDRESS_SPACE } from "../../lib/ip";
import { evaluated } from "./evaluated";
import { newStack, problems, SITE, synthesized, UPLINK_1, UPLINK_2 } from "./site";

const block = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 1, max: 32 }))
  .map(([address, length]) => {
    const size = 2 ** (32 - length);
    return `${formatAddress(address - (address % size))}/${length}`;
  });

describe("the overlap of blocks that only Terraform knows", () => {
  it("is what it is at synth", () => {
    const near: [string, string][] = [
      ["10.0.0.0/8", "10.255.255.0/24"],
      ["10.0.0.0/9", "10.128.0.0/9"],
      ["192.168.0.0/16", "192.168.0.0/16"],
      ["0.0.0.0/1", "128.0.0.0/1"],
      ["172.16.0.1/32", "172.16.0.1/32"],
    ];
    const pairs = [...near, ...fc.sample(fc.tuple(block, block), { numRuns: 150, seed: 7 })];
    const apart = evaluated(areApart, pairs);
    expect(apart).toEqual(pairs.map(([x, y]) => !overlap(parseBlock(x)!, parseBlock(y)!)));
    expect(new Set(apart).size).toBe(2);
  }, 60_000);

  it("is a condition of the connection and of the box, for what synth cannot compare", () => {
    const stack = newStack();
    const variable = new TerraformVariable(stack, "block", { type: "string" });
    new DualTunnelVpn(stack, "vpn", { ...SITE, vpcCidrs: ["10.1.0.0/16", variable.stringValue], uplinks: [UPLINK_1] });
    expect(problems(stack)).toEqual([]);
    const { resource } = synthesized(stack);
    const messages = (lifecycle: unknown) =>
      (lifecycle as { precondition: { error_message: string }[] }).precondition
        .map((condition) => condition.error_message)
        .filter((message) => message.includes("overlap"));
    expect(messages(resource.alicloud_vpn_connection.singapore_connection.lifecycle)).toEqual([
      "vpcCidrs ${var.block} and dataCenterCidrs 172.16.0.0/16 overlap; give blocks that share no address.",
    ]);
    expect(messages(resource.null_resource.singapore_configure_box_over_ssh.lifecycle)).toEqual([
      "vpcCidrs ${var.block} and the network of uplinks[0] 172.16.1.0/24 overlap; give blocks that share no address.",
    ]);
  });
});

describe("an address in one of several blocks, of which only Terraform knows some", () => {
  it("is what it is at synth, and what is no block is left to its own condition", () => {
    const near: [string, string][] = [
      ["172.16.3.2", "172.16.3.0/24"],
      ["172.16.3.2", "172.16.3.2/32"],
      ["172.16.3.2", "172.16.4.0/24"],
      ["172.16.3.2", "10.0.0.0/8"],
      ["10.1.2.3", "172.16.3.0/24"],
    ];
    const address = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(formatAddress);
    const pairs = [...near, ...fc.sample(fc.tuple(address, block), { numRuns: 100, seed: 7 })];
    const inside = evaluated((one, other) => isInOneOf(one, ["10.1.0.0/16", other]), pairs);
    expect(inside).toEqual(
      pairs.map(([one, other]) => ["10.1.0.0/16", other].some((cidr) => contains(parseBlock(cidr)!, one))),
    );
    expect(new Set(inside).size).toBe(2);
    expect(evaluated((one, other) => isInOneOf(one, [other]), [["172.16.3.2", "office"]])).toEqual([true]);
  }, 60_000);
});

describe("a block that only Terraform knows", () => {
  const texts = [
    ...["10.0.0.0/8", "172.16.1.0/24", "100.63.0.0/16", "100.128.0.0/9", "192.0.2.1/32"],
    ...["100.64.0.0/10", "100.100.1.0/24", "100.0.0.0/8"],
    ...["127.0.0.0/8", "0.1.0.0/16", "169.254.7.0/24", "224.0.0.0/4", "239.1.0.0/16", "240.0.0.0/5", "255.0.0.0/8"],
    ...["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "126.0.0.0/7", "169.0.0.0/8", "223.0.0.0/8", "1.0.0.0/8"],
    ...["10.1.0.5/16", "10.0.0.0/33", "10.0.0.0", "10.0/8", "fd00::/8", "office", ""],
  ];
  const conditions = (cidr: string) => blockPreconditions([{ what: "dataCenterCidrs", cidr }]);
  const holds = (which: 0 | 1 | 2) =>
    evaluated(
      (cidr) => conditions(cidr)[which].condition as string | IResolvable,
      texts.map((text) => [text, ""]),
    );

  it("is to be a block without host bits, as at synth", () => {
    expect(holds(0)).toEqual(texts.map((text) => blockProblem(text) === undefined));
  }, 60_000);

  it("is not to be everything, nor in a range of which there are no networks, as at synth", () => {
    expect(holds(1)).toEqual(
      texts.map((text) => {
        const block = parseBlock(text);
        const lies = NO_NETWORKS.some((range) => block && range.first <= block.first && block.last <= range.last);
        return text !== "0.0.0.0/0" && !lies;
      }),
    );
  }, 60_000);

  it("is not to be Alibaba Cloud's own, as at synth; what is no block is complained about once", () => {
    expect(holds(2)).toEqual(
      texts.map((text) => {
        const block = parseBlock(text);
        return !block || !overlap(block, SHARED_ADDRESS_SPACE);
      }),
    );
  }, 60_000);

  it("is checked on either side, by the connection, or by the box where the connection exists", () => {
    const names = ["vpc_block", "site_block"];
    const blocks = (stack: TerraformStack) => {
      const [vpc, site] = names.map((id) => new TerraformVariable(stack, id, { type: "string" }).stringValue);
      return { vpcCidrs: [vpc], dataCenterCidrs: [site] };
    };
    const messages = (resource: { lifecycle?: unknown }) =>
      (resource.lifecycle as { precondition: { error_message: string }[] }).precondition.map(
        ({ error_message }) => error_message,
      );
    const expected = [
      ...[/^The pre-shared key of the active tunnel/, /^The pre-shared key of the standby tunnel/],
      ...names.flatMap((name) => [
        new RegExp(`${name}\\} is not an IPv4 CIDR block without host bits;`),
        new RegExp(`${name}\\} is everything or lies in a range that no network has;`),
        ...(name === "site_block" ? [new RegExp(`${name}\\} overlaps 100\\.64\\.0\\.0/10,`)] : []),
      ]),
      /^vpcCidrs \$\{var\.vpc_block\} and dataCenterCidrs \$\{var\.site_block\} overlap;/,
    ].map((pattern) => expect.stringMatching(pattern) as string);

    const made = newStack();
    new DualTunnelVpn(made, "vpn", { ...SITE, ...blocks(made) });
    expect(problems(made)).toEqual([]);
    expect(messages(synthesized(made).resource.alicloud_vpn_connection.singapore_connection)).toEqual(expected);

    const stack = newStack();
    const connection = IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "connection", {
      name: "singapore",
      vpnConnectionId: "vco-1",
      ...blocks(stack),
      activeTunnel: { ipsecAddress: "192.0.2.152", egressIp: UPLINK_1.egressIp },
      standbyTunnel: { ipsecAddress: "192.0.2.10", egressIp: UPLINK_2.egressIp },
    });
    new StrongswanHost(stack, "box", { connection, uplinks: SITE.uplinks, ssh: SITE.ssh });
    expect(problems(stack)).toEqual([]);
    expect(messages(synthesized(stack).resource.null_resource.singapore_configure_box_over_ssh)).toEqual([
      ...expected,
      expect.stringContaining("uplinks[0]"),
      expect.stringContaining("uplinks[1]"),
    ]);
  });
});
