import type { RunCommand } from "../../commands.ts";
import type { Log } from "../../ports.ts";

/** Removes files of purged volumes in the background. */
export interface Purger {
  /** These folders are to go; those under way are not begun again. */
  purge(paths: readonly string[]): void;
}

/** One run of rm; a tree that takes longer goes on with the next, which comes from the next look at what is left. */
const WITHIN_MS = 10 * 60_000;

/** One folder at a time, behind all other work of the host. */
export function createPurger(run: RunCommand, log: Log, lifetime: AbortSignal): Purger {
  const waiting = new Set<string>();
  let working = false;
  const work = async (): Promise<void> => {
    for (const path of waiting) {
      if (lifetime.aborted) return;
      // Never beyond a mount: what somebody mounted in there is his.
      const args = ["-n", "19", "ionice", "-c", "3", "rm", "-rf", "--one-file-system", "--", path];
      await run({ program: "nice", args, deadlineMs: WITHIN_MS }, lifetime).catch((error: unknown) => {
        if (!lifetime.aborted) log.warn({ error, path }, "a purged volume could not be removed whole");
      });
      waiting.delete(path);
    }
  };
  return {
    purge(paths) {
      for (const path of paths) waiting.add(path);
      if (working) return;
      working = true;
      void work().finally(() => (working = false));
    },
  };
}
