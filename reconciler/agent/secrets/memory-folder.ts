import { randomUUID } from "node:crypto";
import { chmod, chown, mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exec } from "../../sys/exec.ts";
import { StepError } from "../ports.ts";
import type { SecretFiles } from "./source.ts";

/** Types of file systems that are never on a disk, as statfs tells them: tmpfs and ramfs. */
const IN_MEMORY = [0x01021994, 0x858458f6];
const MOUNT_WITHIN_MS = 5_000;
/** Far more than any host's secrets; memory is taken only for what is there. */
const MOUNT_OPTIONS = "mode=0700,size=256m,nosuid,nodev,noexec";

/** Folders of files in memory, below one that only the agent's user may enter. */
export interface MemoryFolder {
  /** Path of a folder below, on the host. */
  pathOf(...names: readonly string[]): string;
  /** Makes the folder hold exactly these files; each appears whole. `owner`: the only user who may read them; null: all who see the folder. */
  write(path: string, files: SecretFiles, owner: number | null, signal: AbortSignal): Promise<void>;
  /** Names of the folders at the top. */
  list(): Promise<readonly string[]>;
  drop(name: string): Promise<void>;
}

/** `base` becomes a tmpfs if it is none; `own` is the part of it that is this agent's. Nothing is made before the first write. */
export function createMemoryFolder(base: string, own: string): MemoryFolder {
  const top = join(base, own);
  let preparing: Promise<void> | null = null;
  /** One at a time, for a second tmpfs would hide the first. */
  const prepareOnce = (signal: AbortSignal): Promise<void> => {
    preparing ??= prepare(base, top, signal).finally(() => (preparing = null));
    return preparing;
  };
  return {
    pathOf: (...names) => join(top, ...names),
    async write(path, files, owner, signal) {
      if (!(await isInMemory(top))) await prepareOnce(signal).catch((error: unknown) => Promise.reject(storeTrouble(top, error)));
      await writeFolder(path, files, owner);
    },
    list: async () => await readdir(top).catch(() => []),
    drop: async (name) => await rm(join(top, name), { recursive: true, force: true }),
  };
}

async function prepare(base: string, top: string, signal: AbortSignal): Promise<void> {
  await mkdir(base, { recursive: true, mode: 0o700 });
  if (!(await isInMemory(base))) await mount(base, signal);
  await chmod(base, 0o700);
  await mkdir(top, { recursive: true, mode: 0o700 });
}

/** False for one that is not there. */
async function isInMemory(folder: string): Promise<boolean> {
  const found = await statfs(folder).catch(() => null);
  return found !== null && IN_MEMORY.includes(found.type);
}

async function mount(folder: string, signal: AbortSignal): Promise<void> {
  const result = await exec({
    program: "mount",
    args: ["-t", "tmpfs", "-o", MOUNT_OPTIONS, "setpoint-secrets", folder],
    folder: "/",
    environment: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    deadlineMs: MOUNT_WITHIN_MS,
    maxOutputBytes: 4096,
    signal,
  });
  if (await isInMemory(folder)) return;
  const said = result.kind === "exited" ? result.stderr.trim() : result.kind;
  const text = `${folder} is on a disk, where no secret is written, and no tmpfs could be mounted there: ${said}`;
  throw new StepError("secret-store", text, { outcome: "refused" });
}

/** The kernel's refusal to make the folder, in words. */
function storeTrouble(folder: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof StepError || code === undefined) return error;
  return new StepError("secret-store", `the folder ${folder} for files of secrets can't be made: ${code}`, { outcome: "refused" });
}

/** Through a file beside it that is renamed, so that who reads finds the old one or the new one. */
async function writeFolder(path: string, files: SecretFiles, owner: number | null): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o755 });
  const present = new Set(await readdir(path));
  for (const [key, value] of files) {
    if (present.delete(key) && (await isAsWanted(join(path, key), value, owner).catch(() => false))) continue;
    const written = join(dirname(path), `.${randomUUID()}`);
    await writeFile(written, value, { mode: 0o400 });
    if (owner === null) await chmod(written, 0o444);
    else await chown(written, owner, owner);
    await rename(written, join(path, key));
  }
  for (const key of present) await rm(join(path, key), { force: true });
}

async function isAsWanted(file: string, value: Buffer, owner: number | null): Promise<boolean> {
  const [found, facts] = await Promise.all([readFile(file), stat(file)]);
  const mode = facts.mode & 0o777;
  return found.equals(value) && (owner === null ? mode === 0o444 : mode === 0o400 && facts.uid === owner);
}
