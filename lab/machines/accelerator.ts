// Decides how QEMU runs a guest: by KVM only after a boot under it succeeded, since its device proves nothing.
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "fs";
import { join } from "path";
import { cacheDirectory } from "../cache";
import type { Image } from "../image/image";
import type { Qemu } from "../image/qemu";
import { spawnBound } from "../process";

// cx16: QEMU 7.2 mistranslates an unlocked cmpxchg16b that newer kernels use. The others cost processor time, measured:
// AVX (xsave), five levels of pages, and protections that change the translated code's ways between user and kernel.
// Not erms=off: 4 % less with QEMU 7.2, but with 10.0.2 the kernel hangs.
const EMULATED = "max,cx16=off,xsave=off,la57=off,smap=off,smep=off,pku=off,pcid=off";

/** QEMU's arguments for the CPU. */
export function acceleratorArguments(kvm: boolean): string[] {
  return kvm ? ["-accel", "kvm", "-cpu", "max"] : ["-accel", "tcg,thread=multi", "-cpu", EMULATED];
}

/** Boots an image under KVM until it switches itself off; false when that takes over 15 s or fails. */
function bootUnderKvm(image: Image, qemu: Qemu): Promise<boolean> {
  const child = spawnBound(
    qemu.system,
    [
      ...[
        "-machine",
        "pc",
        ...acceleratorArguments(true),
        "-m",
        "512",
        "-nodefaults",
        "-display",
        "none",
        "-no-reboot",
      ],
      ...["-kernel", image.kernel, "-initrd", image.initrd],
      ...["-append", "root=/dev/vda rw console=ttyS0 systemd.unit=poweroff.target"],
      ...["-drive", `file=${image.disk},if=virtio,format=raw,snapshot=on,cache=unsafe`, "-serial", "stdio"],
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  return new Promise((resolve) => {
    const give = (ms: number) =>
      setTimeout(() => {
        child.kill("SIGKILL");
      }, ms);
    const silent = give(5000);
    const late = give(15_000);
    child.stdout?.on("data", () => clearTimeout(silent));
    child.on("error", () => resolve(false));
    child.on("close", (code) => {
      clearTimeout(silent);
      clearTimeout(late);
      resolve(code === 0);
    });
  });
}

/** True when guests may run by KVM. The verdict is kept until this host boots again. */
export async function kvmWorks(image: Image, qemu: Qemu, log: (line: string) => void): Promise<boolean> {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return false;
  }
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const file = join(cacheDirectory(), "kvm.json");
  try {
    const verdict = JSON.parse(readFileSync(file, "utf8")) as { bootId: string; works: boolean };
    if (verdict.bootId === bootId) return verdict.works;
  } catch {
    // Not asked yet.
  }
  log("trying a boot under KVM");
  const works = await bootUnderKvm(image, qemu);
  log(works ? "KVM works: using it" : "a guest does not boot under KVM: emulating");
  mkdirSync(cacheDirectory(), { recursive: true });
  writeFileSync(file, JSON.stringify({ bootId, works }));
  return works;
}
