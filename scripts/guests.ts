// `npm run guests`: writes into the tables of docs/guests.md what the lab's tests have shown on this machine since it was
// last run, and keeps it in test/lab/runs.json. test/docs/guests.test.ts fails when the page says anything else.
import * as fs from "node:fs";
import * as path from "node:path";
import { SYSTEMS, type SystemId, systemIds } from "../lab/image/systems";
import { type Outcome, OUTCOMES, readOutcomes } from "./lab-outcomes";

const root = path.resolve(__dirname, "..");

/** The page whose tables are written. */
export const PAGE = path.join(root, "docs/guests.md");
const RUNS = path.join(root, "test/lab/runs.json");

/** Rows that are more, or less, than a file of tests: those of a file whose names match. */
const SUBJECTS: Readonly<Record<string, readonly [file: string, tests: RegExp]>> = {
  "systemd-networkd": ["box", /./],
  "ifupdown (0.8.41)": ["managers", / ifupdown configures/],
  "NetworkManager (1.42.4)": ["managers", / NetworkManager configures/],
  "netplan (0.106, by systemd-networkd)": ["managers", / netplan configures/],
  "an uplink by DHCP (systemd-networkd's client)": ["uplinks", / by DHCP/],
  "an uplink on a VLAN (by systemd-networkd)": ["uplinks", / by VLAN/],
  "a bond with one member that works (by systemd-networkd)": ["uplinks", / by bond/],
  "an uplink by PPPoE (pppd 2.4.9 with Debian's kernel for all hardware: that for virtual machines has no PPP)": [
    "uplinks",
    / by PPPoE/,
  ],
  none: ["box", /./],
  "nftables: a ruleset of one's own that drops and masquerades": [
    "among-others",
    /FORWARD drops and everything is masqueraded|nftables' own file/,
  ],
  "the same, flushed or changed under way": ["among-others", /the ruleset is flushed, and a chain of nftables/],
  "iptables (by nftables), rules of one's own, `iptables-restore`": ["among-others", /iptables-restore loads/],
  ufw: ["among-others", /ufw is enabled/],
  "firewalld, installed after us": ["among-others", /firewalld is /],
  "firewalld, on before us, with the zone `public` for all interfaces; restarted and reloaded under way": [
    "box-el9-like",
    /gets the connection|firewall|is removed/,
  ],
  "netfilter-persistent": ["among-others", /netfilter-persistent/],
  "Docker's and a Kubernetes node's rules, without the programs": ["among-others", /Docker starts|Kubernetes node/],
};

/** The day on which all of a row's tests passed, on each system. */
export type Runs = Readonly<Record<string, Readonly<Partial<Record<SystemId, string>>>>>;

const lies = (outcome: Outcome, [file, tests]: readonly [string, RegExp]) =>
  outcome.file === file && tests.test(outcome.title);

/** What a row's tests came to last on a system: the day, "" when one failed, undefined when not all of them were made. */
function verdict(outcomes: readonly Outcome[], of: readonly [string, RegExp]): string | undefined {
  const last = new Map<string, Outcome>();
  for (const outcome of outcomes.filter((each) => lies(each, of))) {
    // What a run left out is as it was.
    if (outcome.status !== "pending" || !last.has(outcome.title)) last.set(outcome.title, outcome);
  }
  const made = [...last.values()].filter(({ status }) => status !== "pending");
  if (made.some(({ status }) => status !== "passed")) return "";
  // What says in its name that it is left to longer runs is a row of its own, or none.
  const left = [...last.values()].some(({ title, status }) => status === "pending" && !title.includes("test:full"));
  return made.length === 0 || left ? undefined : made.map(({ at }) => at.slice(0, 10)).sort()[0];
}

/** What was known, and what these outcomes, the newest last, have added to it or taken from it. */
export function updated(runs: Runs, files: readonly string[], outcomes: readonly Outcome[]): Runs {
  const rows: Record<string, readonly [string, RegExp]> = { ...SUBJECTS };
  for (const file of files) rows[`\`${file}\``] = [file, /./];
  return Object.fromEntries(
    Object.entries(rows).map(([row, of]) => {
      const days = systemIds().map((id): [SystemId, string | undefined] => {
        const found = verdict(
          outcomes.filter(({ system }) => system === id),
          of,
        );
        return [id, found === undefined ? runs[row]?.[id] : found || undefined];
      });
      return [row, Object.fromEntries(days.filter(([, day]) => day !== undefined))];
    }),
  );
}

const told = (day: string | undefined) => (day === undefined ? "not tried" : `run ${day}`);

/** The page with the cells of these rows as they are known; all else is people's. */
export function rendered(page: string, runs: Runs): string {
  const columns = new Map<string, SystemId>(systemIds().map((id) => [SYSTEMS[id].name, id]));
  let systems: (SystemId | undefined)[] = [];
  return page
    .split("\n")
    .map((line) => {
      if (!line.startsWith("|")) {
        systems = [];
        return line;
      }
      const cells = line.split("|").map((cell) => cell.trim());
      if (systems.length === 0) systems = cells.map((cell) => columns.get(cell));
      const row = runs[cells[1]];
      if (row === undefined || !systems.some(Boolean)) return line;
      const written = cells.map((cell, index) => {
        const id = systems[index];
        // A file that is for one system has an empty cell for the others.
        return id === undefined || (cell === "" && row[id] === undefined) ? cell : told(row[id]);
      });
      return `|${written
        .slice(1, -1)
        .map((cell) => (cell === "" ? " " : ` ${cell} `))
        .join("|")}|`;
    })
    .join("\n");
}

/** The files of the lab's tests, by the names that rows have. */
export function labFiles(): string[] {
  const suffix = ".test.ts";
  return fs
    .readdirSync(path.join(root, "test/lab"))
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
    .sort();
}

/** What is known by now. */
export function known(): Runs {
  return JSON.parse(fs.readFileSync(RUNS, "utf8")) as Runs;
}

if (require.main === module) {
  const runs = updated(known(), labFiles(), readOutcomes());
  fs.writeFileSync(RUNS, `${JSON.stringify(runs, null, 2)}\n`);
  fs.writeFileSync(PAGE, rendered(fs.readFileSync(PAGE, "utf8"), runs));
  // Put back, it can be read once more.
  if (fs.existsSync(OUTCOMES)) fs.renameSync(OUTCOMES, `${OUTCOMES}.taken`);
}
