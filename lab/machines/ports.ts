// Ports on 127.0.0.1 for a lab that may be brought back later by another process: the same ones must be free then.
import { createServer } from "net";

// Below the range from which the kernel gives ports to whoever asks for any (32768 and up).
const [LEAST, MOST] = [20_000, 29_999];

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Ports that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = LEAST + Math.floor(Math.random() * (MOST - LEAST + 1));
    if (await isFree(port)) found.add(port);
  }
  return [...found];
}
