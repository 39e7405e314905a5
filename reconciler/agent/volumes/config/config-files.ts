import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Container, Template, Volume } from "../../../core/desired.ts";
import { shortHash } from "../../../core/hash.ts";
import { type InstanceRef, StepError } from "../../ports.ts";
import { syncFolder } from "../../state/durable.ts";

/** Files of config volumes, which the manifest holds; on the disk, in the agent's own folder. Belongs to the containers that mount them. */
export interface ConfigFiles {
  /** Folder on this host of each config volume that these containers of the template mount, by volume: exactly its files are in it now. Also before they start again. */
  prepare(ref: InstanceRef, template: Template, containers: readonly Container[]): Promise<ReadonlyMap<string, string>>;
  /** Removes the files of all Instances but these. */
  dropOthers(kept: readonly InstanceRef[]): Promise<void>;
}

type Files = Readonly<Record<string, string>>;

/** What a file system takes for the name of one file. */
const FILE_NAME = /^(?!\.{1,2}$)[^/\0]{1,255}$/;

/**
 * Files of config volumes below `folder`, which is the agent's own. Each Instance has its own, in a folder named by what is in them: a container
 * that was not replaced yet keeps what it was made from while another has newer ones already.
 */
export function createConfigFiles(folder: string): ConfigFiles {
  return {
    async prepare(ref, template, containers) {
      const folders = new Map<string, string>();
      for (const { name, files } of mountedBy(containers, template)) {
        folders.set(name, await provide(folder, ref, name, files));
      }
      return folders;
    },
    async dropOthers(kept) {
      const names = new Set(kept.map(nameOf));
      const present = await readdir(folder).catch(() => []);
      for (const name of present) if (!names.has(name)) await rm(join(folder, name), { recursive: true, force: true });
    },
  };
}

type ConfigVolume = Extract<Volume, { readonly kind: "config" }>;

/** Config volumes that any of the containers mounts. */
function mountedBy(containers: readonly Container[], { volumes }: Template): ConfigVolume[] {
  const mounted = new Set(containers.flatMap(({ mounts }) => mounts.map(({ volume }) => volume)));
  return volumes.filter((volume) => volume.kind === "config").filter(({ name }) => mounted.has(name));
}

/** The folder holds exactly these files, also after a crash: it appears as a whole, and what somebody changed is put back. */
async function provide(top: string, ref: InstanceRef, volume: string, files: Files): Promise<string> {
  for (const name of Object.keys(files)) if (!FILE_NAME.test(name)) throw badName(volume, name);
  const own = join(top, nameOf(ref));
  const path = join(own, `${volume}.${shortHash(files)}`);
  await mkdir(own, { recursive: true, mode: 0o700 });
  const present = await readdir(path).catch(() => null);
  if (present === null) await make(path, files);
  else await mend(path, files, present);
  return path;
}

async function make(path: string, files: Files): Promise<void> {
  const made = `${path}.new`;
  await rm(made, { recursive: true, force: true });
  await mkdir(made);
  for (const [name, text] of Object.entries(files)) await writeWhole(join(made, name), text);
  await chmod(made, 0o755);
  syncFolder(made);
  await rename(made, path);
  syncFolder(dirname(path));
}

/** In the folder that is there, since containers may have mounted it. */
async function mend(path: string, files: Files, present: readonly string[]): Promise<void> {
  for (const name of present) if (!Object.hasOwn(files, name)) await rm(join(path, name), { recursive: true, force: true });
  for (const [name, text] of Object.entries(files)) {
    const file = join(path, name);
    if (await isAsWanted(file, text).catch(() => false)) continue;
    const made = `${path}.file`;
    await rm(made, { recursive: true, force: true });
    await writeWhole(made, text);
    await rename(made, file);
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(file, text, { flush: true });
  // Not by the mode of the file as it is made: the agent's umask would take from it.
  await chmod(file, 0o444);
}

async function isAsWanted(file: string, text: string): Promise<boolean> {
  const [found, facts] = await Promise.all([readFile(file, "utf8"), stat(file)]);
  return found === text && (facts.mode & 0o777) === 0o444;
}

function nameOf({ set, index, generation }: InstanceRef): string {
  return `${set}-${index}.g${generation}`;
}

function badName(volume: string, name: string): StepError {
  const text = `config volume ${volume} has a file named ${JSON.stringify(name)}, which no file can be named`;
  return new StepError("option-refused", text, { retry: "permanent", outcome: "refused" });
}
