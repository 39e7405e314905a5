import { dirname, join } from "node:path";
import { shortHash, traceId } from "../../../core/hash.ts";
import type { ObservedVolume } from "../../../core/observation.ts";
import { formatBytesRounded } from "../../../core/units.ts";
import { DOCKER_VOLUMES } from "../../../core/volumes.ts";
import { Lanes } from "../../apply/lanes.ts";
import type { RunCommand } from "../../commands.ts";
import type { Clock, VolumeRef } from "../../ports.ts";
import type { VolumeDriver } from "../driver.ts";
import type { VolumeFiles } from "../files.ts";
import { unmountFilesystem } from "../filesystem.ts";
import { readOptions } from "./options.ts";
import type { UserVolume, UserVolumes } from "./protocol.ts";

export interface UserVolumeParts {
  /** Has volumes of people alone, under DOCKER_VOLUMES. */
  readonly driver: Pick<VolumeDriver, "volumes" | "trash" | "create" | "restore" | "trashVolume" | "mount">;
  /** Resolves when the driver has looked at what there is. */
  readonly looked: (signal: AbortSignal) => Promise<void>;
  /** Where the driver mounts a volume's file system. */
  readonly pointOf: (ref: VolumeRef) => string;
  /** Absolute; each use by a container is a mount in it. */
  readonly usesFolder: string;
  readonly run: RunCommand;
  readonly files: Pick<VolumeFiles, "mounts" | "makeFolder" | "dropFolder">;
  readonly clock: Clock;
}

/**
 * Logical volumes for containers that people start themselves. Each use is a mount of its own, so that the kernel's list of mounts is the only count of
 * uses there is: neither a restart of the agent nor of Docker makes it wrong.
 */
export function createUserVolumes(parts: UserVolumeParts): UserVolumes {
  const lanes = new Lanes();
  const { driver, clock } = parts;
  const find = (name: string): ObservedVolume | undefined => driver.volumes().find((volume) => volume.name === name);
  return {
    async create(name, options, signal) {
      const wanted = readOptions(options);
      await parts.looked(signal);
      await lanes.run(name, async () => {
        if (wanted.kind === "new") return await driver.create({ ...refOf(name), ...wanted.size }, signal);
        const entry = driver.trash().find(({ id }) => id === wanted.trashId);
        if (entry === undefined) throw new Error(`${wanted.trashId} is no Docker volume in the trash of this host`);
        await driver.restore(refOf(name), entry.id, entry.trashedAtMs, signal);
      });
    },
    async remove(name, signal) {
      await parts.looked(signal);
      await lanes.run(name, async () => {
        // Docker says that nobody has it: what is left is of containers that it forgot to end, when it was killed.
        for (const use of await usesOf(parts, name)) await endUse(parts, use, signal);
        const trashedAtMs = clock.now();
        await driver.trashVolume(refOf(name), { trashedAtMs, commit: "docker", taskId: traceId("docker", name, trashedAtMs) }, signal);
      });
    },
    async mount(name, id, signal) {
      await parts.looked(signal);
      return await lanes.run(name, async () => {
        const data = await driver.mount(refOf(name), { uid: 0, gid: 0 }, signal);
        const use = join(parts.usesFolder, name, shortHash(id));
        if ((await usesOf(parts, name)).includes(use)) return use;
        await parts.files.makeFolder(use);
        await parts.run({ program: "mount", args: ["--bind", data, use] }, signal);
        return use;
      });
    },
    async unmount(name, id, signal) {
      await lanes.run(name, async () => {
        const uses = await usesOf(parts, name);
        const use = join(parts.usesFolder, name, shortHash(id));
        if (uses.includes(use)) await endUse(parts, use, signal);
        if (uses.every((other) => other === use)) await release(parts, name, signal);
      });
    },
    async get(name) {
      await parts.looked(AbortSignal.timeout(LOOK_WITHIN_MS));
      const volume = find(name);
      return volume === undefined ? null : await shown(parts, volume);
    },
    async list() {
      await parts.looked(AbortSignal.timeout(LOOK_WITHIN_MS));
      return await Promise.all(driver.volumes().map((volume) => shown(parts, volume)));
    },
  };
}

const LOOK_WITHIN_MS = 20_000;

function refOf(name: string): VolumeRef {
  return { set: DOCKER_VOLUMES, index: 0, name };
}

async function shown(parts: UserVolumeParts, { name, sizeBytes, usedBytes }: ObservedVolume): Promise<UserVolume> {
  const [path = ""] = await usesOf(parts, name);
  return { name, path, status: { size: formatBytesRounded(sizeBytes), used: formatBytesRounded(usedBytes) } };
}

/** Where containers have the volume now. */
async function usesOf({ usesFolder, files }: UserVolumeParts, name: string): Promise<string[]> {
  const folder = join(usesFolder, name);
  return (await files.mounts()).map(({ point }) => point).filter((point) => dirname(point) === folder);
}

async function endUse({ run, files, usesFolder }: UserVolumeParts, use: string, signal: AbortSignal): Promise<void> {
  await run(unmountFilesystem(use), signal);
  await files.dropFolder(use, usesFolder);
}

/** Nobody uses it. One that is busy all the same, with a shell of a person in it, stays mounted; that harms nothing. */
async function release({ run, files, pointOf }: UserVolumeParts, name: string, signal: AbortSignal): Promise<void> {
  const point = pointOf(refOf(name));
  const isMounted = (await files.mounts()).some((mount) => mount.point === point);
  if (isMounted) await run(unmountFilesystem(point), signal).catch(() => signal.throwIfAborted());
}
