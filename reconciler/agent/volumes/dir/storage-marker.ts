import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { StepError } from "../../ports.ts";
import { syncFolder, writeDurably } from "../../state/durable.ts";
import { openStateFiles } from "../../state/files.ts";

/**
 * Tells a storage folder from the empty one below it: where its disk was not mounted after a boot, volumes would seem to be gone, and empty ones
 * would be made in their place.
 */
export interface StorageMarker {
  /** Rejects with `storage-missing` where volumes lay on another disk than the one that is there. */
  check(top: string): Promise<void>;
  /** Volumes will lie there from now on. On the disk when it resolves. */
  take(top: string): Promise<void>;
}

const FILE = ".setpoint";
const CONCERN = "storage";

export function openStorageMarker(stateFolder: string): StorageMarker {
  const files = openStateFiles(stateFolder);
  const known = new Map(Object.entries((files.read(CONCERN) ?? {}) as Readonly<Record<string, string>>));
  return {
    async check(top) {
      const expected = known.get(top);
      if (expected === undefined || (await readMark(top)) === expected) return;
      const text = `${top} is not the folder that held volumes before: is its disk mounted? Nothing is done there until it is back; if what it held is lost for good, delete ${join(stateFolder, `${CONCERN}.json`)} and start the agent again`;
      throw new StepError("storage-missing", text, { outcome: "refused" });
    },
    async take(top) {
      if (known.has(top)) return;
      const present = await readMark(top);
      const mark = present ?? randomUUID();
      if (present === null) {
        await writeDurably(join(top, FILE), `${mark}\n`, 0o600);
        syncFolder(top);
      }
      known.set(top, mark);
      await files.save(CONCERN, () => Object.fromEntries(known));
    },
  };
}

async function readMark(top: string): Promise<string | null> {
  return (await readFile(join(top, FILE), "utf8").catch(() => null))?.trim() ?? null;
}
