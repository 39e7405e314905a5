import { closeSync, fsyncSync, openSync } from "node:fs";
import { open, rename } from "node:fs/promises";

/** The file holds `text`, whole or not at all, whenever the power is cut: through a file beside it. The folder is for the caller to sync. */
export async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  const file = await open(`${path}.new`, "w", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

/** What was made, renamed or removed in the folder is on the disk. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
