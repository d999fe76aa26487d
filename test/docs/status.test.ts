// What the README shows of `dual-tunnel-vpn status` is what the command prints for such a box.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { ROOT } from "./project";

const shown = /<!-- status -->\n```text\n\$ dual-tunnel-vpn status\n([^]*?)```/.exec(
  fs.readFileSync(path.join(ROOT, "README.md"), "utf8"),
)?.[1];

const tunnel = (number: number, role: string, ipsecAddress: string, bytesIn: number, bytesOut: number) => ({
  number,
  role,
  ipsecAddress,
  uplink: number,
  ike: { id: String(number + 2), state: "ESTABLISHED" },
  child: { id: String(number + 6), state: "INSTALLED" },
  bytesIn,
  bytesOut,
});

it("is shown in the README as the command prints it", () => {
  const description = {
    name: "singapore",
    health: 0,
    traffic: { words: "traffic to the VPC flows by tunnel 1 (active); if that fails, by tunnel 2 (standby)" },
    amiss: [],
    added: [],
    tunnels: [tunnel(1, "active", "192.0.2.152", 48213, 51040), tunnel(2, "standby", "192.0.2.10", 672, 588)],
    uplinks: [
      { number: 1, address: "172.16.1.93", gateway: "172.16.1.253", device: "eth0" },
      { number: 2, address: "172.16.2.57", gateway: "172.16.2.253", device: "eth1" },
    ],
    routes: [{ destination: "192.168.0.0/16", interface: "singapore-1", metric: 37 }],
    dropped: {},
    agent: { summary: "the VPC is reached by tunnel 1 (active)" },
  };
  const program = "import json, sys; from dual_tunnel_vpn import status; print(status.text(json.load(sys.stdin)))";
  const { stdout, stderr } = spawnSync("python3", ["-B", "-c", program], {
    cwd: path.join(ROOT, "assets"),
    input: JSON.stringify(description),
    encoding: "utf8",
  });
  expect({ stdout, stderr }).toEqual({ stdout: shown, stderr: "" });
});
