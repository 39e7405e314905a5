import { chmod, chown, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { StorageSettings } from "../../../core/host-settings.ts";
import type { ObservedVolume, TrashedVolume } from "../../../core/observation.ts";
import type { RunCommand } from "../../commands.ts";
import { createTurns } from "../../in-turn.ts";
import { type Clock, type Log, StepError, type TrashNote, type VolumeRef, type VolumeRequest, type VolumeUser } from "../../ports.ts";
import type { VolumeDriver, VolumeOwner } from "../driver.ts";
import { nameOf, isSame } from "../volumes.ts";
import { dataOf, Folders, type FoundFolders, makeTop, type NotedFolder } from "./folders.ts";
import type { FolderNote } from "./note.ts";
import { createPurger, type Purger } from "./purge.ts";
import { setReadOnlyView } from "./read-only-view.ts";
import { SoftLimits } from "./soft-limits.ts";
import { openMarker, type StorageMarker } from "./storage-marker.ts";

export interface DirDriverOptions {
  /** Asked each time. */
  readonly fleet: () => string;
  /** The agent's own, for what it remembers of storage folders. */
  readonly stateFolder: string;
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly log: Log;
}

/** Volumes that are folders of the host's own file system, with a limit that is kept by taking the right to write away. */
export function createDirDriver(options: DirDriverOptions): VolumeDriver {
  return new DirDriver(options);
}
