import { join } from "node:path";
import { DOCKER_VOLUMES } from "../../core/volumes.ts";
import { createCommandRunner, type RunCommand } from "../commands.ts";
import type { Clock, Log, VolumeRef, Volumes } from "../ports.ts";
import { createDirDriver } from "./dir/dir-driver.ts";
import type { VolumeDriver } from "./driver.ts";
import { createVolumeFiles, type VolumeFiles } from "./files.ts";
import { LvmDriver } from "./lvm/lvm-driver.ts";
import { mountPoint } from "./lvm/next.ts";
import { createUserDriver } from "./user/user-driver.ts";
import { createVolumes } from "./volumes.ts";

/** Longest a command about volumes may take that does not say it itself. */
const DEADLINE_MS = 30_000;

export interface HostVolumesOptions {
  /** Below which volumes are mounted; absolute. */
  readonly folder: string;
  /** The fleet that the agent belongs to, and the host's name for messages; asked each time. */
  readonly told: () => { readonly fleet: string; readonly host: string };
  /** What the agent remembers of folders for volumes; absolute. */
  readonly stateFolder: string;
  /** On which Docker finds the plugin for volumes of people; null: there is none. */
  readonly pluginSocket: string | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** The volumes of this machine. Nothing is looked at before settings are applied. */
export function createHostVolumes(options: HostVolumesOptions): Volumes {
  // Descriptors that LVM inherits are none of its business.
  const run = createCommandRunner(DEADLINE_MS, { LVM_SUPPRESS_FD_WARNINGS: "1" });
  const files = createVolumeFiles();
  const drivers = [new LvmDriver({ ...options, run, files }), createDirDriver({ ...options, fleet: () => options.told().fleet, run })];
  return createVolumes(options.pluginSocket === null ? drivers : [...drivers, userDriver(options, options.pluginSocket, run, files)]);
}

/** Under a fleet's name that no fleet can have, so that Sets' volumes and theirs never meet. */
function userDriver(options: HostVolumesOptions, socket: string, run: RunCommand, files: VolumeFiles): VolumeDriver {
  const folder = join(options.folder, DOCKER_VOLUMES);
  const told = (): ReturnType<HostVolumesOptions["told"]> => {
    const { fleet, host } = options.told();
    return { fleet: fleet === "" ? "" : `${fleet}:docker`, host };
  };
  const driver = new LvmDriver({ ...options, told, folder, run, files });
  const pointOf = (ref: VolumeRef): string => mountPoint(folder, ref);
  return createUserDriver({ ...options, driver, pointOf, usesFolder: join(folder, "uses"), socket, run, files });
}
