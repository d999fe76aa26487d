// Speaks to a running QEMU by its machine protocol: one connection for one command.
import { createConnection } from "net";
import { setTimeout as delay } from "timers/promises";

interface Message {
  readonly QMP?: unknown;
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

// While it reads a machine's memory from a busy disk it does not answer.
const PATIENCE_S = 60;

/**
 * Sends one command to QEMU and gives its answer.
 * @param socketPath QEMU's QMP socket
 * @throws when QEMU is gone, refuses the command, or does not answer within a minute
 */
export function qmp(socketPath: string, execute: string, argumentsOf: Record<string, unknown> = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(socketPath);
    const end = (action: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      action();
    };
    const timer = setTimeout(
      () => end(() => reject(new Error(`QEMU did not answer "${execute}" within ${PATIENCE_S} s.`))),
      PATIENCE_S * 1000,
    );
    let buffered = "";
    socket.on("error", (error) => end(() => reject(new Error(`QEMU is not there for "${execute}": ${error.message}`))));
    socket.on("close", () =>
      end(() => (execute === "quit" ? resolve(undefined) : reject(new Error(`QEMU hung up on "${execute}".`)))),
    );
    socket.on("data", (chunk) => {
      const lines = (buffered + chunk.toString()).split("\n");
      buffered = lines.pop() ?? "";
      for (const line of lines.filter((text) => text.trim())) {
        const message = JSON.parse(line) as Message;
        if (message.QMP) {
          socket.write(`${JSON.stringify({ execute: "qmp_capabilities", id: 0 })}\n`);
        } else if (message.error) {
          const { desc } = message.error;
          end(() => reject(new Error(`QEMU refused "${execute}": ${desc}`)));
        } else if (message.id === 0) {
          socket.write(`${JSON.stringify({ execute, arguments: argumentsOf, id: 1 })}\n`);
        } else if (message.id === 1) {
          end(() => resolve(message.return));
        }
      }
    });
  });
}

/** Waits until QEMU has written or read a machine's memory. @throws when it could not */
export async function awaitMigration(socketPath: string): Promise<void> {
  for (;;) {
    const answer = (await qmp(socketPath, "query-migrate")) as { status?: string; "error-desc"?: string };
    if (answer.status === "completed") return;
    if (answer.status === "failed" || answer.status === "cancelled") {
      throw new Error(`QEMU could not move a machine's memory: ${answer["error-desc"] ?? answer.status}`);
    }
    await delay(20);
  }
}
