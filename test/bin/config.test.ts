import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { CONFIG_VARIABLE, DEFAULTS, loadConfig } from "../../bin/config";

let directory: string;
beforeEach(() => (directory = fs.mkdtempSync(path.join(os.tmpdir(), "config-"))));
afterEach(() => fs.rmSync(directory, { recursive: true }));

function load(content: unknown) {
  const file = path.join(directory, "config.json");
  fs.writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return loadConfig({ [CONFIG_VARIABLE]: file });
}

describe("the example's parameters", () => {
  it("are the page's without a file", () => {
    expect(loadConfig({})).toEqual({ config: DEFAULTS, problems: [] });
  });

  it("are merged object by object, and lists are replaced", () => {
    const { config, problems } = load({
      region: "cn-hongkong",
      provider: { protocol: "HTTP", endpoints: [{ vpc: "127.0.0.1:1" }] },
      box: { host: "127.0.0.1", privateKeyPath: "/key" },
      tunnels: { active: { ike: { lifetimeSeconds: 86000 } } },
      dataCenterCidrs: ["10.0.0.0/8"],
      agent: { vpcProbeAddresses: ["192.168.10.10"] },
    });
    expect(problems).toEqual([]);
    expect(config).toEqual({
      ...DEFAULTS,
      region: "cn-hongkong",
      provider: { protocol: "HTTP", endpoints: [{ vpc: "127.0.0.1:1" }] },
      box: { ...DEFAULTS.box, host: "127.0.0.1", privateKeyPath: "/key" },
      tunnels: { both: {}, active: { ike: { lifetimeSeconds: 86000 } }, standby: {} },
      dataCenterCidrs: ["10.0.0.0/8"],
      agent: { vpcProbeAddresses: ["192.168.10.10"] },
    });
  });

  it.each([
    [{ regio: "x" }, "regio is not a parameter"],
    [
      { box: { hots: "x" } },
      "box.hots is not a parameter; the parameters here are host, port, user, privateKeyPath, hostKey, detectDrift.",
    ],
    [{ tunnels: { active: { ike: { encrypt: 1 } } } }, "tunnels.active.ike.encrypt is not a parameter"],
    [{ tunnels: { third: {} } }, "tunnels.third is not a parameter; the parameters here are both, active, standby."],
    [{ agent: { probes: 1 } }, "agent.probes is not a parameter"],
    [
      { uplinks: [{ addr: "x", address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: "198.51.100.198" }] },
      "uplinks[0].addr is not a parameter; the parameters here are address, gateway, egressIp, device.",
    ],
    [
      { uplinks: [{ address: "172.16.1.93/24", gateway: "172.16.1.253" }] },
      "uplinks[0].egressIp is missing; give it as text.",
    ],
    [{ uplinks: "x" }, "uplinks is a string; give a list."],
    [{ box: { port: "22" } }, "box.port is a string; give a number."],
    [{ box: 7 }, "box is a number; give an object."],
    [[], "the file holds a list; give an object."],
    [null, "the file holds null; give an object."],
    [{ box: null }, "box is null; give an object."],
    [{ tunnels: null }, "tunnels is null; give an object."],
    [{ unsafePreSharedKeys: null }, "unsafePreSharedKeys is null; give an object."],
    [{ uplinks: null }, "uplinks is null; give a list."],
    [{ vswitches: null }, "vswitches is null; give a list."],
    [{ name: null }, "name is null; give a string."],
    [{ region: null }, "region is null; give a string."],
  ])("refuse %j", (content, sentence) => {
    const { problems } = load(content);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${CONFIG_VARIABLE}: `));
    expect(problems[0]).toContain(sentence);
  });

  it("refuse a file that is not JSON or not there", () => {
    expect(load("{").problems[0]).toMatch(/which is not JSON .*; give a readable JSON file\.$/);
    expect(loadConfig({ [CONFIG_VARIABLE]: "/nowhere.json" }).problems).toEqual([
      `${CONFIG_VARIABLE} names /nowhere.json, which cannot be read; give a readable JSON file.`,
    ]);
  });
});
