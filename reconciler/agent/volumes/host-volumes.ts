import { createCommandRunner } from "../commands.ts";
import type { Log, Volumes } from "../ports.ts";
import { createVolumeFiles } from "./files.ts";
import { LvmDriver } from "./lvm/lvm-driver.ts";
import { createVolumes } from "./volumes.ts";

/** Longest a command about volumes may take that does not say it itself. */
const DEADLINE_MS = 30_000;

export interface HostVolumesOptions {
  /** Below which volumes are mounted; absolute. */
  readonly folder: string;
  /** The fleet that the agent belongs to, and the host's name for messages; asked each time. */
  readonly told: () => { readonly fleet: string; readonly host: string };
  readonly log: Log;
}

/** The volumes of this machine. Nothing is looked at before settings are applied. */
export function createHostVolumes(options: HostVolumesOptions): Volumes {
  // Descriptors that LVM inherits are none of its business.
  const run = createCommandRunner(DEADLINE_MS, { LVM_SUPPRESS_FD_WARNINGS: "1" });
  return createVolumes([new LvmDriver({ ...options, run, files: createVolumeFiles() })]);
}
