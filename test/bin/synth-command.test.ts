// The real `cdktf synth` of the example, as a user runs it: with bad input, and without Terraform, network or credentials.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { CONFIG_VARIABLE } from "../../bin/config";

const root = path.resolve(__dirname, "../..");
let directory: string;
beforeEach(() => (directory = fs.mkdtempSync(path.join(os.tmpdir(), "synth-"))));
afterEach(() => fs.rmSync(directory, { recursive: true }));

/** Runs the command with a configuration; nothing of the caller's environment but PATH and HOME reaches it. */
function cdktfSynth(config: object, pathOf = process.env.PATH) {
  const file = path.join(directory, "config.json");
  fs.writeFileSync(file, JSON.stringify(config));
  const run = spawnSync(
    process.execPath,
    [path.join(root, "node_modules/cdktf-cli/bundle/bin/cdktf"), "synth", "--output", path.join(directory, "out")],
    {
      cwd: root,
      encoding: "utf8",
      env: {
        PATH: pathOf,
        HOME: directory,
        CI: "1",
        CHECKPOINT_DISABLE: "1",
        [CONFIG_VARIABLE]: file,
      },
    },
  );
  const text = `${run.stdout}\n${run.stderr}`;
  return {
    status: run.status,
    text,
    /** The sentences that a user reads, each once: cdktf shows an app's output live and again at the end. */
    sentences: [
      ...new Set(
        text
          .split("\n")
          .map((line) => line.trim())
          .filter((line) => /^(Error|Warning): [a-zA-Z]+[/:]/.test(line)),
      ),
    ],
    written: fs.existsSync(path.join(directory, "out/stacks/singapore/cdk.tf.json")),
  };
}

const STACK_TRACE = /^\s+at .+[:(]\d+|node:internal|\.js:\d+|\.ts:\d+/m;

describe("cdktf synth of the example", () => {
  it("needs no Terraform, no network and no credentials", () => {
    const bin = path.join(directory, "bin");
    fs.mkdirSync(bin);
    fs.symlinkSync(process.execPath, path.join(bin, "node"));
    fs.symlinkSync("/bin/sh", path.join(bin, "sh"));
    const run = cdktfSynth({}, bin);
    expect(run.text).toContain("Generated Terraform code for the stacks: singapore");
    expect(run.status).toBe(0);
    expect(run.written).toBe(true);
  }, 60_000);

  it("refuses bad input: all problems together, one sentence each, no stack trace, no secret", () => {
    const psk = "not a secret that anyone should see";
    const run = cdktfSynth({
      region: "Singapore",
      dataCenterCidrs: ["192.168.10.0/24"],
      vswitches: [
        { cidr: "192.168.10.0/24", zone: "ap-southeast-1a" },
        { cidr: "192.168.20.0/24", zone: "ap-southeast-1a" },
      ],
      uplinks: [
        { address: "172.16.1.93/24", gateway: "172.16.2.253", egressIp: "198.51.100.198" },
        { address: "172.16.2.57/24", gateway: "172.16.2.253", egressIp: "203.0.113.181" },
      ],
      unsafePreSharedKeys: { active: psk },
    });
    expect(run.status).toBe(1);
    expect(run.sentences).toEqual([
      'Error: singapore/vpn/gateway: region "Singapore" is not a region id; write ap-southeast-1 for Singapore.',
      "Error: singapore/vpn/gateway: vswitches are both in zone ap-southeast-1a; give two vSwitches in two zones, so that the tunnels do not fail together.",
      "Error: singapore/vpn/connection: active tunnel: preSharedKey has a character that Alibaba Cloud refuses (the 4th); use letters, digits and ~!`@#$%^&*()_-+={}[]|;:',.<>/?.",
      "Error: singapore/vpn/connection: vpcCidrs 192.168.0.0/16 and dataCenterCidrs 192.168.10.0/24 overlap; give blocks that share no address.",
      "Error: singapore/vpn/box: uplinks[0].gateway 172.16.2.253 is outside the uplink's network 172.16.1.0/24; give the next router in that network.",
    ]);
    expect(run.text).not.toMatch(STACK_TRACE);
    expect(run.text).not.toContain(psk);
    expect(run.written).toBe(false);
  }, 60_000);

  it.each([
    ["overlapping VPC and data-center blocks", { dataCenterCidrs: ["192.168.0.0/16"] }, "overlap; give blocks"],
    [
      "one zone used twice where the region has more",
      {
        vswitches: [
          { cidr: "192.168.10.0/24", zone: "ap-southeast-1b" },
          { cidr: "192.168.20.0/24", zone: "ap-southeast-1b" },
        ],
      },
      "both in zone ap-southeast-1b",
    ],
    [
      "a PSK with a character that Alibaba refuses",
      { unsafePreSharedKeys: { standby: 'se"cret' } },
      "refuses (the 3rd)",
    ],
    [
      "an uplink's gateway outside its subnet",
      { uplinks: [{ address: "172.16.1.93/24", gateway: "172.16.3.253", egressIp: "198.51.100.198" }] },
      "is outside the uplink's network",
    ],
    ["a region that is not of Alibaba's form", { region: "Singapore" }, "write ap-southeast-1 for Singapore"],
  ])(
    "refuses %s with one sentence",
    (_what, config, expected) => {
      const run = cdktfSynth(config);
      expect(run.status).toBe(1);
      expect(run.sentences).toHaveLength(1);
      expect(run.sentences[0]).toContain(expected);
      expect(run.text).not.toMatch(STACK_TRACE);
      expect(run.text).not.toContain('se"cret');
    },
    60_000,
  );

  it("only warns about a well-formed region that the table lacks", () => {
    const run = cdktfSynth({
      region: "ap-southeast-9",
      vswitches: [
        { cidr: "192.168.10.0/24", zone: "ap-southeast-9a" },
        { cidr: "192.168.20.0/24", zone: "ap-southeast-9b" },
      ],
    });
    expect(run.status).toBe(0);
    expect(run.text.match(/region ap-southeast-9 is not among those known/g)).toHaveLength(1);
    expect(run.written).toBe(true);
  }, 60_000);
});
