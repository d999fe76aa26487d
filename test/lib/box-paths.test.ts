// Every place on the box stands in assets/dual_tunnel_vpn/paths.py: units, scripts and the library name no other.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { COMMAND, PROGRAMS, STAGING, STATE } from "../../lib/host/provisioners";

const ASSETS = path.join(__dirname, "../../assets");

const PROGRAM = `
import json, pathlib, types
from dual_tunnel_vpn import paths
known = {key: str(value) for key, value in vars(paths).items() if isinstance(value, pathlib.Path)}
ours = [value for value in vars(paths).values() if isinstance(value, types.FunctionType)]
print(json.dumps({**known, **{function.__name__: str(function("NAME")) for function in ours}}))`;

/** Each place by its name in paths.py, those of a connection for one called NAME. */
const paths = (() => {
  const run = spawnSync("python3", ["-B", "-c", PROGRAM], { cwd: ASSETS, encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as Record<string, string>;
})();

/** A file of assets/, with a connection's name as NAME. */
const read = (file: string) => fs.readFileSync(path.join(ASSETS, file), "utf8").replace(/%i|\$\{?name\}?/g, "NAME");

const UNITS = fs.readdirSync(path.join(ASSETS, "systemd"));
const SCRIPTS = ["begin.sh", "confirm.sh", "install.sh", "prepare.sh"];
const FILES = [...UNITS.map((unit) => `systemd/${unit}`), ...SCRIPTS, "dual-tunnel-vpn"];

/** The places of ours that a text names; a directory's content is known by the directory. */
function named(text: string): string[] {
  return [...text.matchAll(/(?<![\w.])\/(?:etc|run|usr|var)\/[\w./@*-]*dual-tunnel-vpn[\w./@*-]*/g)].map(
    ([place]) => place,
  );
}

describe("the places on the box", () => {
  it("are found in every file of assets that names some", () => {
    expect(FILES.filter((file) => named(read(file)).length > 0).sort()).toEqual([
      "begin.sh",
      "confirm.sh",
      "dual-tunnel-vpn",
      "install.sh",
      "prepare.sh",
      "systemd/dual-tunnel-vpn-agent@.service",
      "systemd/dual-tunnel-vpn-bgp@.service",
      "systemd/dual-tunnel-vpn-guard@.service",
      "systemd/dual-tunnel-vpn-links@.service",
      "systemd/dual-tunnel-vpn-repair@.service",
      "systemd/dual-tunnel-vpn-rollback@.service",
      "systemd/dual-tunnel-vpn-rollback@.timer",
      "systemd/dual-tunnel-vpn-vrrp@.service",
    ]);
  });

  it.each(FILES)("are those of paths.py in %s", (file) => {
    const known = Object.values(paths);
    // Versions before have no such program.
    const program = `${paths.LIBRARY}/current/dual_tunnel_vpn/preparation.py`;
    const children = [`${paths.LIBRARY}/current`, `${paths.STAGING}/*`, program];
    expect(named(read(file)).filter((place) => ![...known, ...children].includes(place))).toEqual([]);
  });

  it("are those of paths.py in the library", () => {
    const { COMMAND: command, LIBRARY, STAGING: staging, STATE: state } = paths;
    expect([COMMAND, PROGRAMS, STAGING, STATE]).toEqual([command, LIBRARY, staging, state]);
  });

  it("have the units by the names that paths.py has", () => {
    const ours = ["guard", "links", "repair", "agent", "bgp", "vrrp", "rollback"].map((unit) =>
      paths[`${unit}_unit`].replace("NAME", ""),
    );
    expect(UNITS).toEqual(expect.arrayContaining([...ours, paths.rollback_timer.replace("NAME", "")]));
    for (const unit of UNITS) {
      const others = [...read(`systemd/${unit}`).matchAll(/dual-tunnel-vpn-\w+@NAME\.service/g)].map(
        ([other]) => other,
      );
      expect(ours.map((name) => name.replace("@", "@NAME"))).toEqual(expect.arrayContaining(others));
    }
  });

  it("have the agent's state in the directory that systemd makes for its unit", () => {
    const [, directory] = /^RuntimeDirectory=(.*)$/m.exec(read("systemd/dual-tunnel-vpn-agent@.service"))!;
    expect(path.posix.join("/run", directory)).toBe(path.posix.dirname(paths.agent_state));
  });

  it("have what VRRP follows in the directory that systemd makes for its unit", () => {
    const [, directory] = /^RuntimeDirectory=(.*)$/m.exec(read("systemd/dual-tunnel-vpn-vrrp@.service"))!;
    for (const place of [paths.vrrp_aside, paths.agent_alive])
      expect(path.posix.join("/run", directory)).toBe(path.posix.dirname(place));
  });

  it("have the BGP speaker's socket in the directory that systemd makes for its unit", () => {
    const [, directory] = /^RuntimeDirectory=(.*)$/m.exec(read("systemd/dual-tunnel-vpn-bgp@.service"))!;
    expect(path.posix.join("/run", directory)).toBe(path.posix.dirname(paths.bgp_socket));
  });
});
