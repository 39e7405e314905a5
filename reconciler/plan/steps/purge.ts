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
 * be touched; never for one that is to be restored. Returns the milliseconds until the next one is due; null when there is none.
 */
export function purgeTrash(steps: StepList, input: PlanInput, hosts: HostTable): number | null {
  let nextInMs: number | null = null;
  for (const name of [...hosts.trashed].sort(compareText)) {
    const host = hosts.statuses.get(name)!;
    if (host.pool === null || host.observation === null) continue;
    if (host.reach !== "ok" || host.held !== null) continue;
    const hasLvm = host.observation.capabilities.includes("lvm");
    for (const entry of host.observation.trash) {
      if ((entry.kind === "lvm" && !hasLvm) || isWished(input.memory.restores, name, entry)) continue;
      const expiresInMs = isWished(input.memory.purges, name, entry)
        ? 0
        : entry.trashedAtMs + host.pool.storage.trashKeepForMs - input.nowMs;
      const dueInMs = Math.max(expiresInMs, retryInMs(input, entry));
      if (dueInMs > 0) nextInMs = Math.min(nextInMs ?? dueInMs, dueInMs);
      else if (input.destroysFrozen === null) {
        const owner = { set: entry.set, index: entry.index, taskId: entry.taskId, input: PURGE };
        const where = { host: host.name, generation: 0 };
        steps.add("purgeVolume", owner, where, [], { trashId: entry.id, trashedAtMs: entry.trashedAtMs });
      }
    }
  }
  return nextInMs;
}

/** True when an operator asked for something to be done with this very entry. */
function isWished(wishes: ReadonlyMap<string, TrashEntry>, host: string, { id, trashedAtMs }: TrashedVolume): boolean {
  return wishes.size > 0 && wishes.get(trashKey(host, id))?.trashedAtMs === trashedAtMs;
}

/** What failures of a purge are counted against. */
const PURGE = "purge";

/** Milliseconds until a purge that failed may be tried again. */
function retryInMs(input: PlanInput, { set, index }: TrashedVolume): number {
  const failure = input.memory.sets.get(set)?.failures.get(index);
  return failure?.input === PURGE ? backoffInMs(slotKey(set, index), failure, input.nowMs) : 0;
}
