import type { DesiredSet } from "../../core/desired.ts";
import type { EventBody } from "../../core/events.ts";
import { slotKey } from "../../core/ids.ts";
import type { Restore, TrashEntry } from "../../core/memory.ts";
import type { HostObservation, TrashedVolume } from "../../core/observation.ts";
import { compareText } from "../../core/order.ts";
import type { PlanInput } from "../../core/plan.ts";
import type { HostStatus } from "../fleet/host-status.ts";

/** A restore that was asked for and is not over. */
export interface Wish {
  /** `HOST/TRASHID`. */
  readonly key: string;
  readonly restore: Restore;
  /** null: its host, or the driver there, does not show its trash now. */
  readonly entry: TrashedVolume | null;
}

/** What operators want of the trash, as the hosts show it now. */
export interface Wishes {
  /** By key. */
  readonly open: readonly Wish[];
  /** Whose entry is gone, though it was not restored: kept to be seen. By key. */
  readonly lost: readonly Wish[];
  /** What came true, or can't any more, since the pass before. */
  readonly events: readonly EventBody[];
}

export const NO_WISHES: Wishes = { open: [], lost: [], events: [] };

/** Looks at every restore and purge that is open. Costs what is open. */
export function readWishes(input: PlanInput, hostOf: (name: string) => HostStatus): Wishes {
  const open: Wish[] = [];
  const lost: Wish[] = [];
  const events: EventBody[] = [];
  for (const [key, restore] of [...input.memory.restores].sort(([a], [b]) => compareText(a, b))) {
    const trash = trashOf(hostOf(restore.host), restore.kind);
    const wish = { key, restore, entry: trash === null ? null : findEntry(trash, restore) };
    const outcome = restore.lostAtMs === null ? outcomeOf(input, wish, trash) : null;
    if (restore.lostAtMs !== null || outcome === "vanished") lost.push(wish);
    else if (outcome === null) open.push(wish);
    const { host, trashId, to } = restore;
    if (outcome !== null) events.push({ type: "restore.ended", host, trashId, set: to.set, index: to.index, outcome });
  }
  for (const [, purge] of [...input.memory.purges].sort(([a], [b]) => compareText(a, b))) {
    const host = hostOf(purge.host);
    const trash = trashOf(host, purge.kind);
    const gone = host.desired === null || (trash !== null && findEntry(trash, purge) === null);
    if (gone) events.push({ type: "purge.ended", host: purge.host, trashId: purge.trashId });
  }
  return { open, lost, events };
}

/** The entry itself, not a later one with its id. */
export function findEntry(
  { trash }: Pick<HostObservation, "trash">,
  entry: Pick<TrashEntry, "trashId" | "trashedAtMs">,
): TrashedVolume | null {
  return trash.find(({ id, trashedAtMs }) => id === entry.trashId && trashedAtMs === entry.trashedAtMs) ?? null;
}

/** What the host shows, if it would show an entry of this kind; null otherwise. */
function trashOf({ reach, observation }: HostStatus, kind: TrashEntry["kind"]): HostObservation | null {
  if (reach !== "ok" || observation === null) return null;
  return kind === "lvm" && !observation.capabilities.includes("lvm") ? null : observation;
}

/** How the wish is over; null: it is not. While a step of its slot is under way, what is shown may be older than the step. */
function outcomeOf(input: PlanInput, { restore, entry }: Wish, shown: HostObservation | null): "done" | "vanished" | null {
  const { to, begun, kind } = restore;
  if (shown === null || entry !== null || input.busy.has(slotKey(to.set, to.index))) return null;
  const there = shown.volumes.some(
    (volume) => volume.set === to.set && volume.index === to.index && volume.name === to.volume && volume.kind === kind,
  );
  return begun && there ? "done" : "vanished";
}

/** The wishes that a Set's slots can have by its manifest, by slot. All of one slot are on one host: that of the oldest. */
export function wishesOfSlots(wishes: readonly Wish[], set: DesiredSet | null, total: number): ReadonlyMap<number, readonly Wish[]> {
  const possible = wishes.filter(({ restore }) => manifestLacks(restore, set, total) === null);
  const slots = new Map<number, readonly Wish[]>();
  for (const [index, ofSlot] of Map.groupBy(possible, ({ restore }) => restore.to.index)) {
    const oldest = ofSlot.reduce((first, wish) => (wish.restore.sinceMs < first.restore.sinceMs ? wish : first));
    slots.set(
      index,
      ofSlot.filter(({ restore }) => restore.host === oldest.restore.host),
    );
  }
  return slots;
}

/** What the wish waits for in the manifests; null: its slot is wanted, and has a volume of that name and kind. */
export function manifestLacks({ to, kind }: Restore, set: DesiredSet | null, total: number): string | null {
  if (set === null) return `Set ${to.set} in the manifests`;
  if (to.index >= total) return `Set ${to.set} to have a slot ${to.index}: it wants ${total === 0 ? "none" : `0 to ${total - 1}`}`;
  const volume = set.template.volumes.find(({ name }) => name === to.volume);
  if (volume === undefined) return `a volume ${to.volume} in Set ${to.set}`;
  return volume.kind === kind ? null : `volume ${to.volume} of Set ${to.set} to be of kind ${kind}: it is of kind ${volume.kind}`;
}
