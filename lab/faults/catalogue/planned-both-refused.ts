import type { Fault } from "../fault";

export default {
  what: "A deploy would change both keys at once: it is refused before anything is changed.",
  long: true,
  // The lab carried 300 a second without loss for 20 s, but not for minutes on a busy host.
  intervalMs: 10,
  async make(scene) {
    const refusal = await scene.contender.changeKeys(1, 2).then(
      () => "",
      (error: Error) => String((error as { output?: string }).output ?? error.message),
    );
    if (!refusal.includes("both tunnels would change at once")) {
      throw new Error(`The deploy was not refused: ${refusal.slice(-500) || "it succeeded"}`);
    }
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
