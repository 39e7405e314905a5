import { CommandError } from "../../commands.ts";
import { StepError, type VolumeRef } from "../../ports.ts";
import { repairCommand, type Filesystem } from "../filesystem.ts";
import { nameOf } from "../volumes.ts";

/** Which Debian package has the program. */
const PACKAGES: Readonly<Record<string, string>> = {
  "mkfs.ext4": "e2fsprogs",
  resize2fs: "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  xfs_growfs: "xfsprogs",
  mount: "mount",
  umount: "mount",
};

/** What a failed command is to a person; anything else stays what it is. `volume` null: it was about the whole group. */
export function asStepError(
  error: unknown,
  host: string,
  volume: (VolumeRef & { readonly filesystem: Filesystem; readonly path: string }) | null,
): unknown {
  if (!(error instanceof CommandError)) return error;
  const { program } = error.command;
  if (error.kind === "not-found") {
    const text = `${program} is not installed on ${host}; install the package ${PACKAGES[program] ?? "lvm2"}`;
    return new StepError("no-capability", text, { outcome: "refused" });
  }
  const what = volume === null ? `the volumes of ${host}` : `volume ${nameOf(volume)} on ${host}`;
  const said = `${program}: ${essence(error)}`;
  if (/insufficient (free|suitable) /i.test(error.stderr)) return new StepError("disk-full", `no room for ${what}: ${said}`);
  if (volume !== null && program.startsWith("mkfs.")) return makeTrouble(error.stderr, what, said);
  if (volume !== null && program === "mount") return mountTrouble(error.stderr, what, said, volume);
  if (/\bin use\b|\bbusy\b/i.test(error.stderr)) return new StepError("volume-busy", `${what} is in use: ${said}`);
  return new StepError("volume-failed", `${what}: ${said}`);
}

function makeTrouble(stderr: string, what: string, said: string): StepError {
  if (/too small|must be larger|not enough space|smaller than/i.test(stderr)) {
    return new StepError("volume-too-small", `${what} is too small for its file system: ${said}`, { retry: "permanent" });
  }
  if (/in use by the system|busy|is mounted|mounted filesystem/i.test(stderr))
    return new StepError("volume-busy", `${what} is in use: ${said}`);
  return new StepError("volume-failed", `no file system could be made on ${what}: ${said}`);
}

function mountTrouble(
  stderr: string,
  what: string,
  said: string,
  { filesystem, path }: { readonly filesystem: Filesystem; readonly path: string },
): StepError {
  if (/unknown filesystem type/i.test(stderr)) {
    return new StepError("no-capability", `the kernel can't mount ${filesystem} for ${what}: ${said}`, { outcome: "refused" });
  }
  if (/bad superblock|can't read superblock|needs cleaning|wrong fs type|input\/output error/i.test(stderr)) {
    return new StepError(
      "volume-damaged",
      `the file system of ${what} is damaged (have it repaired: ${repairCommand(filesystem, path)}): ${said}`,
    );
  }
  if (/busy/i.test(stderr)) return new StepError("mount-point-busy", `${what} can't be mounted: ${said}`);
  return new StepError("volume-failed", `${what} can't be mounted: ${said}`);
}

/** What it said, on one line, without LVM's warnings and the help that some print after an error. */
function essence(error: CommandError): string {
  const [words] = error.stderr.split(/^Usage:/m);
  const lines = words!.split("\n").map((line) => line.trim());
  const told = lines.filter((line) => line !== "" && !line.startsWith("WARNING:"));
  return told.length === 0 ? error.message.replace(`${error.command.program}: `, "") : told.join("; ");
}
