// `npm run demo` killed half way.
import { Demo, until } from "./demo-process";

it(
  "leaves no process behind when npm and node are killed half way through a deployment",
  async () => {
    const demo = new Demo();
    try {
      const applies = () => demo.processes.some(({ name, command }) => name === "terraform" && / apply /.test(command));
      await until("terraform applies", 600, () => applies() || demo.child.exitCode !== null);
      if (demo.child.exitCode !== null) throw new Error(`the demo ended before it was killed:\n${demo.output}`);
      expect(demo.processes.some(({ name }) => name.startsWith("qemu"))).toBe(true);
      demo.kill(({ name }) => /^(npm|node|MainThread)/.test(name));
      await until("every process of the demo is gone", 15, () => demo.processes.length === 0);
    } finally {
      demo.kill(() => true);
    }
  },
  15 * 60_000,
);
