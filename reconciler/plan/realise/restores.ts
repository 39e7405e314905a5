import { slotKey } from "../../core/ids.ts";
import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import { volumesOn, type SlotFacts } from "../diff/slot-facts.ts";
import { explainHost } from "../place/explain.ts";
import { lendDisk, reserve } from "../place/reservations.ts";
import type { Wish } from "../restore/wishes.ts";
import type { Restored } from "../steps/volume-steps.ts";
import { heldBytes, type VolumeHere } from "../volumes/on-host.ts";
import type { Restoring } from "./restoring.ts";
import { reservationOf } from "./room.ts";
import type { PassContext, SetWork } from "./set-work.ts";

/**
 * The claim's volumes that were asked back from its host's trash. One the slot has goes only where the claim was made for that, and where
 * anything may be destroyed now: else the slot starts with what it has, and is asked again.
 */
export function restoringOn(work: SetWork, slot: SlotFacts, claim: Claim): Restoring {
  const back = new Map<string, Restored>();
  const replaced: VolumeHere[] = [];
  const { fleet } = work.pass;
  const mayReplace = fleet.input.destroysFrozen === null && !fleet.hostOf(claim.host).braked;
  for (const { key, restore, entry } of work.draft.context.restores.get(slot.index) ?? []) {
    if (restore.host !== claim.host || entry === null) continue;
    const present = volumesOn(slot, claim.host).find(({ name, kind }) => name === restore.to.volume && kind === restore.kind);
    if (present !== undefined && !(mayReplace && claim.restores?.includes(key) === true)) continue;
    if (present !== undefined) replaced.push(present);
    const { trashId, trashedAtMs, kind } = restore;
    back.set(restore.to.volume, { trashId, trashedAtMs, kind, sizeBytes: entry.sizeBytes });
  }
  return { back, replaced };
}

/** As lentBytes, before there is a claim. */
export function lentForWishes(slot: SlotFacts, host: string, wishes: readonly Wish[]): number {
  const entries = wishes.flatMap(({ restore, entry }) => (restore.host === host && entry !== null ? [entry] : []));
  return slot.current?.host === host ? 0 : heldBytes(entries);
}

/** Why the one host that has the slot's data in its trash can't take it, and nothing reserved there; null when it can, and it is. */
export function refusalOf({ index }: PassContext, set: DesiredSet, slot: SlotFacts, host: string, lent: number): string | null {
  const why = lendDisk(index, host, lent, () => explainHost(index, set, host));
  if (why === null) return `host ${host}, whose trash has its data, is in no pool`;
  if (!why.fits) return `host ${host}, whose trash has its data, can't take ${slotKey(set.name, slot.index)}: ${why.rejections.join(", ")}`;
  reserve(index, host, set.name, reservationOf(set, volumesOn(slot, host)));
  return null;
}
