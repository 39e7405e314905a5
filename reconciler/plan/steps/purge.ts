import { slotKey, trashKey } from "../../core/ids.ts";
import type { TrashEntry } from "../../core/memory.ts";
import type { TrashedVolume } from "../../core/observation.ts";
import { compareText } from "../../core/order.ts";
import type { PlanInput } from "../../core/plan.ts";
import { backoffInMs } from "../diff/backoff.ts";
import type { HostTable } from "../fleet/host-table.ts";
import type { StepList } from "./step-list.ts";

/**
 * Adds a purge for every entry of the trash that was kept for the pool's keepFor, or that an operator let go, on hosts that may
 * be touched, unless `isPurged` in this pass already; never for one that is to be restored. Returns the milliseconds until the
 * next one is due; null when there is none.
 */
export function purgeTrash(
  steps: StepList,
  input: PlanInput,
  hosts: HostTable,
  isPurged: (host: string, trashId: string) => boolean,
): number | null {
  let nextInMs: number | null = null;
  for (const name of [...hosts.trashed].sort(compareText)) {
    const { pool, observation, reach, held } = hosts.statuses.get(name)!;
    if (pool === null || observation === null || reach !== "ok" || held !== null) continue;
    for (const entry of observation.trash) {
      if (isPurged(name, entry.id) || (entry.kind === "lvm" && !observation.capabilities.includes("lvm"))) continue;
      if (isMeant(input.memory.restores, name, entry)) continue;
      const asked = isMeant(input.memory.purges, name, entry);
      const expiresInMs = asked ? 0 : entry.trashedAtMs + pool.storage.trashKeepForMs - input.nowMs;
      const dueInMs = Math.max(expiresInMs, purgeRetryInMs(input, entry));
      if (dueInMs > 0) nextInMs = Math.min(nextInMs ?? dueInMs, dueInMs);
      else if (input.destroysFrozen === null) addPurge(steps, name, entry);
    }
  }
  return nextInMs;
}

/** True when an operator asked for something to be done with this very entry. */
export function isMeant(wishes: ReadonlyMap<string, TrashEntry>, host: string, { id, trashedAtMs }: TrashedVolume): boolean {
  return wishes.size > 0 && wishes.get(trashKey(host, id))?.trashedAtMs === trashedAtMs;
}

/** What failures of a purge are counted against. */
const PURGE = "purge";

/** Returns the step's number. */
export function addPurge(steps: StepList, host: string, entry: TrashedVolume, needs: readonly number[] = []): number {
  const owner = { set: entry.set, index: entry.index, taskId: entry.taskId, input: PURGE };
  return steps.add("purgeVolume", owner, { host, generation: 0 }, needs, { trashId: entry.id, trashedAtMs: entry.trashedAtMs });
}

/** Milliseconds until a purge that failed may be tried again; 0: now. */
export function purgeRetryInMs(input: PlanInput, { set, index }: TrashedVolume): number {
  const failure = input.memory.sets.get(set)?.failures.get(index);
  return failure?.input === PURGE ? backoffInMs(slotKey(set, index), failure, input.nowMs) : 0;
}
