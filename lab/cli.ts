// The command behind `npm run lab`: a lab that stays up for play, made by `up` or left by the demo's --keep.
import { Lab } from "./machines/lab";

const USAGE = `Usage: npm run lab -- COMMAND
  up                  boot the box and the world around it, and leave them up
  status              say whether they run, and how to reach them
  shell box|world     open a shell on a machine
  down                switch both off`;

function present(): Lab {
  const lab = Lab.attach();
  if (!lab) throw new Error('No lab is up; make one with "npm run lab -- up".');
  return lab;
}

async function main([command, name]: string[]): Promise<number> {
  switch (command) {
    case "up": {
      const lab = new Lab({ detached: true, log: (line) => console.log(line) });
      await lab.start();
      console.log(lab.status().join("\n"));
      return 0;
    }
    case "status":
      console.log(present().status().join("\n"));
      return 0;
    case "shell": {
      if (name !== "box" && name !== "world") throw new Error(`Say which machine's shell: box or world.`);
      return present()[name].interactiveShell();
    }
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
