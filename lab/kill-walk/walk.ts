// The walk: cuts an operation off at a step, and sees whether the box is whole, works, and is brought to its end.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { cloudState, install, NAME, stage, stagePreparation, type Staged } from "../box/staged-connection";
import { differences, listingOf } from "../box/listing";
import { COMMAND, PROGRAMS, STATE } from "../../lib/host/provisioners";
import { contentOf, Kept, keyOf } from "../cache";
import { WorldCloudEnd } from "../cloud-end";
import { Lab } from "../machines/lab";
import { quote } from "../machines/shell";
import { ECS, LAN, UPLINKS } from "../network";
import { OPERATIONS, type Operation } from "./operations";
import { choose, shares, type Cut, type Place, type Step } from "./places";

/** What ours.py prints. */
interface Ours {
  readonly files: Readonly<Record<string, string>>;
  readonly "by itself": Readonly<Record<string, string>>;
  readonly left: readonly string[];
  readonly network: readonly string[];
  readonly behind: readonly string[];
}

/** What is known of an operation from a run to its end. */
interface Known {
  readonly command: string;
  readonly steps: readonly Step[];
  readonly before: Ours;
  readonly after: Ours;
  /** The box in the end, where an apply or a rollback brings what was cut off to its end. */
  readonly end: Ours;
}

/** What came of a cut. */
export interface Outcome extends Place {
  /** Where it was cut; undefined when the operation had ended before. */
  readonly at?: Step;
  /** How many steps a run to its end has. */
  readonly steps: number;
  /** What did not hold; empty when all did. */
  readonly broken: readonly string[];
  /** What the box has to say about it. */
  readonly journal?: string;
  readonly seconds: number;
}

export interface WalkOptions {
  /** Told of every phase. @default nobody */
  readonly log?: (line: string) => void;
}

const ROOT = path.join(__dirname, "../..");
/** All that decides how an operation goes on a booted lab. */
const INGREDIENTS = ["assets", "lab/box", "lab/cloud-end", "lab/kill-walk", "lab/network.ts"];

const KNOWN = "known.json";
/** As Terraform does it. */
const UNINSTALL = `if [ -e ${COMMAND} ]; then exec ${COMMAND} uninstall ${NAME}; fi; exec rm -rf ${STATE} ${PROGRAMS}`;

/** As the box's own timer does it. */
const ROLL_BACK = `${COMMAND} roll-back ${NAME}`;

/** On the disk, where a boot leaves them, and where a listing does not look. */
const [STEPPER, OURS] = ["stepper.py", "ours.py"].map((name) => `/var/tmp/${name}`);
const KINDS: Record<Cut, string> = { session: "hang-up", programs: "kill", power: "hold" };

/** Notes of how far it has come: what they say differs from one moment to the next. */
const NOTES = /^\/etc\/dual-tunnel-vpn\/(.*\/(manifest|rolling-back)|box)\.json$/;

/** How long the slow box of the lab may take until it answers packets after a boot. */
const PATIENCE_S = 120;

export class KillWalk {
  readonly lab: Lab;
  private readonly cloud: WorldCloudEnd;
  private readonly scratch = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-kill-walk-"));
  private readonly known = new Map<string, Known>();
  private runs = false;
  private bootKey?: string;

  constructor(private readonly options: WalkOptions = {}) {
    this.lab = new Lab({ packages: true, log: options.log });
    this.cloud = new WorldCloudEnd(this.lab);
  }

  /** So many places, spread evenly; the operations among them are run to their ends first, unless that is known. */
  async places(count: number, seed: number, operations = OPERATIONS.map(({ id }) => id)): Promise<Place[]> {
    const places: Place[] = [];
    for (const [id, share] of shares(operations, count, seed)) {
      if (share > 0) places.push(...choose(id, (await this.knownOf(operationOf(id))).steps.length, share, seed));
    }
    return places;
  }

  /** Cuts there; what came of it. */
  async cut(place: Place): Promise<Outcome> {
    const began = Date.now();
    const operation = operationOf(place.operation);
    const known = await this.knownOf(operation);
    await this.bringBack((await this.kept(runOf(operation))).path);
    const at = await this.runTo(known.command, place);
    const broken: string[] = [];
    try {
      await this.afterwards(operation, known, broken);
    } catch (error) {
      broken.push((error as Error).message);
    }
    const journal = broken.length > 0 ? await this.journal() : undefined;
    return { ...place, at, steps: known.steps.length, broken, journal, seconds: (Date.now() - began) / 1000 };
  }

  async stop(): Promise<void> {
    if (this.runs) await this.lab.stop();
    fs.rmSync(this.scratch, { recursive: true, force: true });
  }

  private log(line: string): void {
    this.options.log?.(line);
  }

  // What is kept: a lab with nothing of ours, one with a connection, and for each operation the lab before it.

  private async kept(id: string): Promise<Kept> {
    this.bootKey ??= keyOf(await this.lab.bootKey(), contentOf(...INGREDIENTS.map((name) => path.join(ROOT, name))));
    return new Kept("kill-walk", keyOf(this.bootKey, id));
  }

  private async bringBack(directory: string): Promise<void> {
    if (this.runs) await this.lab.bringBack(directory);
    else await this.lab.open(directory);
    this.runs = true;
    this.cloud.resume();
  }

  private async save(directory: string): Promise<void> {
    await this.cloud.hangUp();
    await this.lab.save(directory);
  }

  /** The lab as an operation finds it, made when nothing is kept. */
  private async base(id: Operation["from"]): Promise<Kept> {
    const kept = await this.kept(id);
    if (kept.exists) return kept;
    if (id === "bare") {
      this.log("a lab with nothing of ours");
      await this.lab.start();
      this.runs = true;
      await this.cloud.start();
      await this.cloud.apply(cloudState());
      await this.lab.box.upload(path.join(__dirname, "stepper.py"), STEPPER);
      await this.lab.box.upload(path.join(__dirname, "ours.py"), OURS);
      await this.lab.box.succeed("sync");
      const listing = await this.listing();
      await kept.put(async (directory) => {
        await this.save(directory);
        fs.writeFileSync(path.join(directory, "listing"), listing);
      });
    } else {
      await this.bringBack((await this.base("bare")).path);
      this.log("a lab with a connection");
      this.ended(await install(this.lab));
      await this.healthy();
      await this.cloud.waitUntilSettled();
      await kept.put((directory) => this.save(directory));
    }
    return kept;
  }

  private async knownOf(operation: Operation): Promise<Known> {
    const run = runOf(operation);
    const before = this.known.get(run);
    if (before) return before;
    const kept = await this.kept(run);
    if (!kept.exists) await kept.put((directory) => this.make(operation, directory));
    const known = JSON.parse(fs.readFileSync(path.join(kept.path, KNOWN), "utf8")) as Known;
    this.known.set(run, known);
    return known;
  }

  /** Keeps the lab before the operation, then runs it to its end. */
  private async make(operation: Operation, directory: string): Promise<void> {
    await this.bringBack((await this.base(operation.from)).path);
    const wanted = operation.wanted(this.scratch);
    // The cloud changes after the box was made ready for it.
    if (operation.runs !== "prepare") await this.cloud.apply(cloudState(wanted));
    const command = await this.commandOf(operation, wanted);
    const before = await this.ours();
    await this.save(directory);
    const { status, stdout, stderr } = await this.lab.box.execute(`python3 -IB ${STEPPER} 0 - ${command}`, {
      timeoutS: 400,
    });
    if (status !== 0) throw new Error(`${operation.id} ended with ${status}:\n${stderr}${await this.said()}`);
    const steps = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Step);
    this.log(`${operation.id}: ${steps.length} steps`);
    const { runs } = operation;
    if (runs === "apply" || runs === "roll-back") await this.healthy();
    const after = await this.ours();
    if (runs === "prepare") await this.goOn(operation);
    const ends = { apply: after, "roll-back": after, uninstall: before, prepare: await this.ours() };
    const known: Known = { command, steps, before, after, end: ends[runs] };
    fs.writeFileSync(path.join(directory, KNOWN), JSON.stringify(known, null, 1));
  }

  /** What is to be cut off, with all done that comes before it. */
  private async commandOf({ runs }: Operation, wanted: Staged): Promise<string> {
    if (runs === "uninstall") return `sh -c ${quote(UNINSTALL)}`;
    if (runs === "apply") return stage(this.lab, wanted);
    if (runs === "prepare") return stagePreparation(this.lab, wanted);
    this.ended(await install(this.lab, { ...wanted, confirmed: true }));
    await this.healthy();
    return ROLL_BACK;
  }

  // The cut, and what has to hold after it.

  /** Runs the command until the step is reached and cuts; the step, undefined when the command had ended before. */
  private async runTo(command: string, { step, cut }: Place): Promise<Step | undefined> {
    const { box } = this.lab;
    const channel = await box.channel(`exec python3 -IB ${STEPPER} ${step} ${KINDS[cut]} ${command}`);
    const ended = new Promise<void>((resolve) => channel.once("close", () => resolve()));
    const reached = new Promise<Step | undefined>((resolve, reject) => {
      let told = "";
      channel.on("data", (chunk: Buffer) => {
        told += chunk.toString();
        if (told.endsWith("\n")) resolve(JSON.parse(told) as Step);
      });
      channel.stderr.on("data", (chunk: Buffer) => reject(new Error(`the stepper failed: ${chunk.toString()}`)));
      void ended.then(() => resolve(undefined));
    });
    const at = await reached;
    if (cut !== "power") await ended;
    else {
      await box.crash();
      await box.waitForSsh();
      // What starts by itself has started, or has failed: which of them, is seen by what works.
      await box.execute("systemctl is-system-running --wait", { timeoutS: 300 });
    }
    return at;
  }

  private async afterwards(operation: Operation, known: Known, broken: string[]): Promise<void> {
    broken.push(...halves(await this.ours(), known));
    await this.works(operation);
    if (operation.ends === "uninstall") {
      this.ended(await this.lab.box.execute(`{ ${UNINSTALL}; } 2>&1`, { timeoutS: 300 }));
      const before = fs.readFileSync(path.join((await this.base("bare")).path, "listing"), "utf8");
      broken.push(...differences(before, await this.listing()).map((line) => `after the end of all: ${line}`));
      return;
    }
    await this.goOn(operation);
    const ours = await this.ours();
    broken.push(
      ...differing(ours.files, known.end.files),
      ...ours.left.map((file) => `${file} was left behind`),
      ...differences(known.end.network.join("\n"), ours.network.join("\n")).map((line) => `in the network: ${line}`),
      ...ours.behind,
    );
  }

  /** Brings what was cut off to its end, the cloud first where the box was made ready for its change. */
  private async goOn(operation: Operation): Promise<void> {
    const change = operation.wanted(this.scratch);
    if (operation.runs === "prepare") await this.cloud.apply(cloudState(change));
    this.ended(
      operation.ends === "apply"
        ? await install(this.lab, change)
        : await this.lab.box.execute(`${ROLL_BACK} 2>&1`, { timeoutS: 300 }),
    );
    await this.healthy();
  }

  /** A connection that there was carries packets; a box that is to have one, or is to lose it, is a router as before. */
  private async works({ from, runs }: Operation): Promise<void> {
    if (from === "installed" && runs !== "uninstall") await this.passes();
    for (const address of [...UPLINKS.map(({ gateway }) => gateway), LAN.server]) {
      await this.lab.box.waitUntilSucceeds(`ping -q -c 1 -W 2 ${address}`, { timeoutS: 30 });
    }
  }

  private async passes(): Promise<void> {
    const patience = { timeoutS: PATIENCE_S };
    await this.lab.namespace("dc").waitUntilSucceeds(`ping -q -c 2 -W 2 ${ECS.address}`, patience);
    await this.lab.namespace("ecs").waitUntilSucceeds(`ping -q -c 2 -W 2 ${LAN.server}`, patience);
  }

  /** Both tunnels, and packets both ways by the active one. */
  private async healthy(): Promise<void> {
    const patience = { timeoutS: PATIENCE_S };
    await this.lab.box.waitUntilSucceeds("dual-tunnel-vpn status", patience);
    // The standby tunnel carries for a moment where it came up first.
    await this.lab.box.waitUntilSucceeds(`ip -4 route show proto 157 | grep -q 'dev ${NAME}-1 '`, patience);
    await this.cloud.waitForTrafficVia("master");
    await this.passes();
  }

  private ended({ status, stdout }: { readonly status: number; readonly stdout: string }): void {
    if (status !== 0) throw new Error(`what was to bring it to its end ended with ${status}: ${stdout.trim()}`);
  }

  // What is read of the box.

  private async ours(): Promise<Ours> {
    return JSON.parse(await this.lab.box.succeed(`python3 -IB ${OURS}`)) as Ours;
  }

  private listing(): Promise<string> {
    return listingOf(this.lab.box);
  }

  private async said(): Promise<string> {
    return (await this.lab.box.execute("cat /run/lab-stepper.log")).stdout;
  }

  private async journal(): Promise<string> {
    const units = "-u 'dual-tunnel-vpn-*' -u strongswan -u ssh";
    const told = `journalctl --no-pager -o short-precise ${units} | grep -v "plugin '" | tail -n 60; dual-tunnel-vpn status`;
    const { stdout } = await this.lab.box.execute(told).catch((error: Error) => ({ stdout: error.message }));
    return `--- the box\n${stdout}`;
  }
}

function operationOf(id: string): Operation {
  const found = OPERATIONS.find((operation) => operation.id === id);
  if (!found) throw new Error(`there is no operation ${id}; there are ${OPERATIONS.map((each) => each.id).join(", ")}`);
  return found;
}

const runOf = ({ id, as: other = id }: Operation) => other;

/** Files that are neither as before the operation nor as after it. */
export function halves(now: Ours, { before, after }: Pick<Known, "before" | "after">): string[] {
  const files = Object.entries(now.files).filter(
    ([file, content]) => !NOTES.test(file) && content !== before.files[file] && content !== after.files[file],
  );
  return [
    ...Object.entries(now["by itself"]).map(([file, trouble]) => `${file} ${trouble}`),
    ...files.map(([file]) => `${file} is neither the old nor the new one`),
  ];
}

/** What differs between two sets of files. */
export function differing(now: Ours["files"], wanted: Ours["files"]): string[] {
  return [...new Set([...Object.keys(now), ...Object.keys(wanted)])]
    .filter((file) => now[file] !== wanted[file])
    .map((file) => {
      if (now[file] === undefined) return `${file} is missing in the end`;
      return wanted[file] === undefined ? `${file} is there in the end` : `${file} is another in the end`;
    });
}
