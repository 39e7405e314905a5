import { lackingPrograms } from "../../hosts/rig/requirements.ts";

/** Programs the rig runs, by the Debian package that has them. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  coreutils: ["chroot"],
  e2fsprogs: ["mke2fs"],
  git: ["git"],
  kmod: ["modprobe"],
  mmdebstrap: ["mmdebstrap"],
  "openssh-client": ["ssh", "ssh-keygen"],
  "qemu-system-x86": ["qemu-system-x86_64"],
  "qemu-utils": ["qemu-img"],
  tar: ["tar"],
  "util-linux": ["setpriv"],
};

/** What this machine lacks to run virtual machines, each with what to do about it; empty: it lacks nothing. */
export function lackingOfVms(): readonly string[] {
  if (process.platform !== "linux" || process.arch !== "x64") return ["Linux on an x86-64 processor: the image is made for that"];
  return lackingPrograms(PROGRAMS);
}
