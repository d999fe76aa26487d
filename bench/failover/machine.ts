// One line that says on what the figures were measured: host, emulator, and what runs on the box.
import * as os from "node:os";
import type { Machine } from "../../lab/machines/machine";

export async function machineOf(box: Machine): Promise<string> {
  const kernel = (await box.succeed("uname -r")).trim();
  const strongswan = /strongSwan swanctl (\S+)/.exec((await box.execute("swanctl --version")).stdout)?.[1];
  const python = (await box.execute("python3 --version")).stdout.trim();
  return `${os.cpus().length} x ${os.cpus()[0].model.trim()}, QEMU ${box.qemuVersion}; box: Linux ${kernel}, strongSwan ${strongswan}, ${python}`;
}
