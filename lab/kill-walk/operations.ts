// What is done to a box and cut off: each operation begins from a box that is known, and says what has to hold after a
// cut and what brings it to its end.
import * as fs from "node:fs";
import * as path from "node:path";
import type { Staged } from "../box/staged-connection";

export interface Operation {
  readonly id: string;
  /** What it does, in words. */
  readonly what: string;
  /** The operation whose run to its end it shares. @default its own */
  readonly as?: string;
  /** The box before it: with nothing of ours, or with a connection that works. */
  readonly from: "bare" | "installed";
  /** What is cut off. */
  readonly runs: "apply" | "uninstall" | "roll-back";
  /** What brings the box to its end after the cut: the same once more, or the opposite. */
  readonly ends: "apply" | "uninstall" | "roll-back";
  /** What an apply brings, or what the rollback takes back, given a place for files that differ from the repository's. */
  wanted(scratch: string): Staged;
}

const ROOT = path.join(__dirname, "../..");

/** The repository's programs as a later version would bring them: every kind of file that all connections share differs. */
function laterVersion(scratch: string): string {
  const tree = path.join(scratch, "later");
  if (fs.existsSync(tree)) return tree;
  fs.cpSync(path.join(ROOT, "assets"), path.join(tree, "assets"), {
    recursive: true,
    filter: (name) => path.basename(name) !== "__pycache__",
  });
  const files = ["systemd", "strongswan.d"].flatMap((name) =>
    fs.readdirSync(path.join(tree, "assets", name)).map((file) => path.join(name, file)),
  );
  for (const file of [...files, "dual-tunnel-vpn", "dual_tunnel_vpn/__init__.py"]) {
    fs.appendFileSync(path.join(tree, "assets", file), "# A later version.\n");
  }
  return tree;
}

const same = (): Staged => ({});

/** In the order in which a connection lives. */
export const OPERATIONS: readonly Operation[] = [
  {
    id: "install",
    what: "a first installation, which is then made once more",
    from: "bare",
    runs: "apply",
    ends: "apply",
    wanted: same,
  },
  {
    id: "give-up",
    what: "a first installation, whose rest is then removed",
    as: "install",
    from: "bare",
    runs: "apply",
    ends: "uninstall",
    wanted: same,
  },
  {
    id: "change",
    what: "another ESP proposal of the active tunnel, another lifetime of the standby tunnel",
    from: "installed",
    runs: "apply",
    ends: "apply",
    wanted: () => ({ esp: ["aes128-sha256-modp2048", "aes256-sha256-modp2048"], ikeLifetime: [86400, 43200] }),
  },
  {
    id: "rotate",
    what: "another pre-shared key of the active tunnel",
    from: "installed",
    runs: "apply",
    ends: "apply",
    wanted: () => ({ psks: ["psk-of-tunnel-one-rotated", "psk-of-tunnel-two"] }),
  },
  {
    id: "renumber",
    what: "another mark of each uplink's probes, as another version may choose it",
    from: "installed",
    runs: "apply",
    ends: "apply",
    wanted: () => ({ marks: [70003, 70004] }),
  },
  {
    id: "upgrade",
    what: "another version of our programs, units and settings",
    from: "installed",
    runs: "apply",
    ends: "apply",
    wanted: (scratch) => ({ tree: laterVersion(scratch) }),
  },
  {
    id: "uninstall",
    what: "the removal of the connection",
    from: "installed",
    runs: "uninstall",
    ends: "uninstall",
    wanted: same,
  },
  {
    id: "return",
    what: "the removal of a connection, which is then wanted again",
    as: "uninstall",
    from: "installed",
    runs: "uninstall",
    ends: "apply",
    wanted: same,
  },
  {
    id: "roll-back",
    what: "the rollback of a change that nobody has confirmed",
    from: "installed",
    runs: "roll-back",
    ends: "roll-back",
    wanted: () => ({ marks: [70003, 70004] }),
  },
];
