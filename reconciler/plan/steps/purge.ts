import type { PlanInput } from "../../core/plan.ts";
import type { HostTable } from "../fleet/host-table.ts";
import type { StepList } from "./step-list.ts";

/**
 * Adds a purge for every entry of the trash that was kept for the pool's keepFor, on hosts that may be touched. Returns the
 * milliseconds until the next one is due; null when no host has trash.
 */
export function purgeTrash(steps: StepList, input: PlanInput, hosts: HostTable): number | null {
  let nextInMs: number | null = null;
  for (const host of hosts.statuses.values()) {
    if (host.pool === null || host.observation === null || host.observation.trash.length === 0) continue;
    if (host.reach !== "ok" || host.held !== null) continue;
    for (const entry of host.observation.trash) {
      const dueInMs = entry.trashedAtMs + host.pool.storage.trashKeepForMs - input.nowMs;
      if (dueInMs > 0) nextInMs = Math.min(nextInMs ?? dueInMs, dueInMs);
      else if (input.destroysFrozen === null) {
        const owner = { set: entry.set, index: entry.index, taskId: entry.taskId, input: "purge" };
        const where = { host: host.name, generation: 0 };
        steps.add("purgeVolume", owner, where, [], { trashId: entry.id, trashedAtMs: entry.trashedAtMs });
      }
    }
  }
  return nextInMs;
}
