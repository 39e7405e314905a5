import type { Desired } from "../core/desired.ts";
import type { Memory, TrashEntry } from "../core/memory.ts";
import type { HostView } from "../core/observation.ts";
import type { PlanInput } from "../core/plan.ts";
import { createHostState, observe } from "../sim/host-state.ts";

/**
 * The input with other manifests: what would be decided if they were committed now. Hosts nobody has heard of yet
 * (new ones, or all of them where nothing runs) are taken to be empty and well.
 */
export function whatIf(input: PlanInput, desired: Desired): PlanInput {
  const fleet = new Map<string, HostView>(input.fleet);
  for (const host of desired.hosts) {
    if (fleet.has(host.name)) continue;
    fleet.set(host.name, { observation: observe(createHostState(host, () => {})), heardAtMs: input.monotonicMs, problem: "" });
  }
  return { ...input, desired, destroysFrozen: null, fleet, memory: withoutUnseenTrash(input) };
}

/** Nothing is known of the trash of a host that is only taken to be empty: what is to come from there is left out. */
function withoutUnseenTrash({ memory, fleet }: PlanInput): Memory {
  const seen = <Entry extends TrashEntry>(entries: ReadonlyMap<string, Entry>): ReadonlyMap<string, Entry> =>
    new Map([...entries].filter(([, { host }]) => fleet.has(host)));
  return { ...memory, restores: seen(memory.restores), purges: seen(memory.purges) };
}
