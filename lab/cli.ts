// The command behind `npm run lab`: a lab that stays up for play, made by `up` or left by the demo's --keep.
import * as fs from "node:fs";
import * as path from "node:path";
import { cacheDirectory } from "./cache";
import { Lab } from "./machines/lab";

const USAGE = `Usage: npm run lab -- COMMAND
  up [2]              boot the box, or two boxes, and the world around, and leave them up
  status              say whether they run, and how to reach them
  shell MACHINE       open a shell on a machine: box, box2 or world
  save NAME           keep the machines as they are now: disks, memory, what runs
  restore NAME        make them what they were then; a lab that is not up comes up so
  down                switch them off`;

function present(): Lab {
  const lab = Lab.attach();
  if (!lab) throw new Error('No lab is up; make one with "npm run lab -- up".');
  return lab;
}

/** Where a lab is kept under a name. */
function keptAs(name: string | undefined): string {
  if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(name ?? "")) {
    throw new Error("Give the kept lab a name of lower-case letters, digits and hyphens.");
  }
  return path.join(cacheDirectory(), "saved", name as string);
}

async function save(name: string | undefined): Promise<void> {
  const directory = keptAs(name);
  const making = `${directory}.making`;
  fs.rmSync(making, { recursive: true, force: true });
  fs.mkdirSync(making, { recursive: true, mode: 0o700 });
  await present().save(making);
  fs.rmSync(directory, { recursive: true, force: true });
  fs.renameSync(making, directory);
}

async function restore(name: string | undefined): Promise<void> {
  const directory = keptAs(name);
  if (!fs.existsSync(directory)) {
    const names = fs.existsSync(path.dirname(directory)) ? fs.readdirSync(path.dirname(directory)).join(", ") : "";
    throw new Error(`No lab is kept as ${name}; ${names ? `there are ${names}` : "none is kept"}.`);
  }
  const up = Lab.attach();
  if (up) await up.bringBack(directory);
  else await new Lab({ detached: true, log: (line) => console.log(line) }).open(directory);
}

async function main([command, name]: string[]): Promise<number> {
  switch (command) {
    case "up": {
      if (name !== undefined && name !== "2") throw new Error("Say nothing more for one box, or 2 for two.");
      const lab = new Lab({ detached: true, boxes: name ? 2 : 1, log: (line) => console.log(line) });
      await lab.start();
      console.log(lab.status().join("\n"));
      return 0;
    }
    case "status":
      console.log(present().status().join("\n"));
      return 0;
    case "shell": {
      if (name !== "box" && name !== "box2" && name !== "world") {
        throw new Error("Say which machine's shell: box, box2 or world.");
      }
      return present()[name].interactiveShell();
    }
    case "save":
      await save(name);
      return 0;
    case "restore":
      await restore(name);
      console.log(present().status().join("\n"));
      return 0;
    case "down":
      await present().stop();
      return 0;
    default:
      console.error(USAGE);
      return command === undefined || command === "--help" ? 0 : 2;
  }
}

main(process.argv.slice(2)).then(
  // An attached machine may hold a connection open: end here, not when it goes idle.
  (status) => process.exit(status),
  (error: Error) => {
    console.error(error.message);
    process.exit(1);
  },
);
