import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { type RunCommand, CommandError } from "../../commands.ts";

/** A walk that takes longer is given up; the next one tries again. */
const WALK_WITHIN_MS = 30 * 60_000;

/**
 * Bytes that a volume takes on its file system, as du counts them. Where somebody mounted a file system for this volume alone that is asked instead,
 * which costs nothing.
 */
export async function measureUse(data: string, run: RunCommand, signal: AbortSignal): Promise<number> {
  if (await hasOwnFileSystem(data)) {
    const { blocks, bfree, bsize } = await statfs(data);
    return (blocks - bfree) * bsize;
  }
  // Behind all other work of the host, and never beyond a mount within.
  const args = ["-n", "19", "ionice", "-c", "3", "du", "-sxB1", "--", data];
  // It also exits with 1 when a file was removed while it walked: what it counted is good.
  const text = await run({ program: "nice", args, deadlineMs: WALK_WITHIN_MS, alsoGood: [1] }, signal);
  const bytes = Number.parseInt(text, 10);
  if (!Number.isSafeInteger(bytes)) throw new CommandError({ program: "du", args }, "exit", `said ${JSON.stringify(text.slice(0, 100))}`);
  return bytes;
}

/** The folder of the volume, or of its data, is on another device than the one above. A mount of a folder over itself is not. */
async function hasOwnFileSystem(data: string): Promise<boolean> {
  const folder = dirname(data);
  const [own, above] = await Promise.all([stat(data), stat(dirname(folder))]);
  return own.dev !== above.dev;
}
