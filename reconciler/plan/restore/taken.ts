import type { Memory } from "../../core/memory.ts";
import type { HostObservation, TrashedVolume } from "../../core/observation.ts";
import { heldBytes } from "../volumes/on-host.ts";
import type { HostTable } from "../fleet/host-table.ts";
import type { HostIndex } from "../place/host-index.ts";
import { setTrash } from "../place/reservations.ts";
import { findEntry, type Wish, type Wishes } from "./wishes.ts";

/** Counts anew what the trash takes on hosts from which something is to be restored, or was as of the pass before. */
export function countTrash(index: HostIndex, hosts: HostTable, memory: Memory, before: Wishes, now: Wishes): void {
  for (const name of new Set([...before.open, ...now.open].map(({ restore }) => restore.host))) {
    const observation = hosts.statuses.get(name)?.observation ?? null;
    if (observation !== null) setTrash(index, name, takenByTrash(observation, now.open, memory));
  }
}

/**
 * Bytes of the volume group that a host's trash takes beside what slots claim there: an entry that comes back into a slot with its claim on
 * the host, and without such a volume yet, is counted with that claim.
 */
function takenByTrash(observation: HostObservation, wishes: readonly Wish[], memory: Memory): number {
  const coming = wishes
    .filter((wish) => isComing(observation, wish, memory))
    .flatMap(({ restore }) => findEntry(observation, restore) ?? []);
  return heldBytes(observation.trash) - heldBytes(coming);
}

function isComing(observation: HostObservation, { restore }: Wish, memory: Memory): boolean {
  const { host, to } = restore;
  if (host !== observation.host || memory.sets.get(to.set)?.slots.get(to.index)?.current?.host !== host) return false;
  return !observation.volumes.some(
    ({ set, index, name, kind }) => set === to.set && index === to.index && name === to.volume && kind === restore.kind,
  );
}

/** Bytes of its trash that may give way to other volumes: what is to be restored stays. */
export function spareTrash(trash: readonly TrashedVolume[], isWished: (entry: TrashedVolume) => boolean): number {
  return heldBytes(trash.filter((entry) => !isWished(entry)));
}
