import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endOf, RIG_PATH } from "../../hosts/rig/process.ts";
import { cached, keyOf } from "./cache.ts";
import type { Image } from "./image.ts";

/** How QEMU runs the machine's instructions: by the processor, or translated, ten times as slow, anywhere. */
export type Accelerator = "kvm" | "tcg";

export const QEMU = "qemu-system-x86_64";

const TRIED_MS = 6_000;

/** What works here; tried once in each boot of this machine, since a /dev/kvm may be there and only hang. */
export async function findAccelerator(image: Image): Promise<Accelerator> {
  if (!existsSync("/dev/kvm")) return "tcg";
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
  const folder = await cached("accelerator", keyOf(boot, qemuVersion(), image.key), async (unfinished) => {
    writeFileSync(join(unfinished, "works"), String(await kvmWorks(image)));
  });
  return readFileSync(join(folder, "works"), "utf8") === "true" ? "kvm" : "tcg";
}

export function qemuVersion(): string {
  const env = { PATH: RIG_PATH };
  return execFileSync(QEMU, ["--version"], { encoding: "utf8", env, timeout: 10_000 }).split("\n")[0]!;
}

/** The kernel without a disk gives up within a second or two, and QEMU ends. */
async function kvmWorks({ kernel, initrd }: Image): Promise<boolean> {
  const machine = ["-accel", "kvm", "-cpu", "host", "-m", "256M", "-nodefaults", "-display", "none", "-no-reboot"];
  const start = ["-kernel", kernel, "-initrd", initrd, "-append", "panic=-1"];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", QEMU, ...machine, ...start], { env: { PATH: RIG_PATH }, stdio: "ignore" });
  const late = new AbortController();
  const end = await Promise.race([endOf(child), sleep(TRIED_MS, "late", { signal: late.signal })]);
  late.abort();
  // Not waited for: what hangs in the kernel may hear no signal.
  child.kill("SIGKILL");
  child.unref();
  return end === 0;
}
