import { slotKey } from "../../core/ids.ts";
import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import type { SlotFacts, SlotOnHost } from "../diff/slot-facts.ts";
import { explainHost } from "../place/explain.ts";
import { reserve } from "../place/reservations.ts";
import type { Restored } from "../steps/instance-steps.ts";
import { reservationOf } from "./room.ts";
import type { PassContext, SetWork } from "./set-work.ts";

/** What comes back from the trash when a generation of a slot starts. */
export interface Restoring {
  /** By the name in the slot. */
  readonly back: ReadonlyMap<string, Restored>;
  /** Names of the slot's present volumes that have to go to the trash first. */
  readonly replaced: readonly string[];
}

/** The claim's volumes that were asked back from its host's trash. One the slot has goes only where the claim was made for that. */
export function restoringOn(work: SetWork, slot: SlotFacts, claim: Claim): Restoring {
  const back = new Map<string, Restored>();
  const replaced: string[] = [];
  const here = slot.seen.find((on) => on.host === claim.host);
  for (const { key, restore, entry } of work.draft.context.restores.get(slot.index) ?? []) {
    const { volume } = restore.to;
    if (restore.host !== claim.host || entry === null) continue;
    const present = here?.volumes.some(({ name }) => name === volume) ?? false;
    if (present && claim.restores?.includes(key) !== true) continue;
    if (present) replaced.push(volume);
    back.set(volume, { trashId: restore.trashId, trashedAtMs: restore.trashedAtMs, sizeBytes: entry.sizeBytes });
  }
  return { back, replaced };
}

/** What a host shows of the slot, without the volumes that go before it starts. */
export function withoutReplaced(seen: SlotOnHost | null, { replaced }: Restoring): SlotOnHost | null {
  if (seen === null || replaced.length === 0) return seen;
  return { ...seen, volumes: seen.volumes.filter(({ name }) => !replaced.includes(name)) };
}

/** `volume data from web-0-data-5`, for people; empty when nothing comes back. */
export function describeRestoring({ back }: Restoring): string {
  return [...back].map(([volume, { trashId }]) => `volume ${volume} from ${trashId}`).join(", ");
}

/** Why the one host that has the slot's data in its trash can't take it, and nothing reserved there; null when it can, and it is. */
export function refusalOf({ index }: PassContext, set: DesiredSet, slot: SlotFacts, host: string): string | null {
  const why = explainHost(index, set, host);
  if (why === null) return `host ${host}, whose trash has its data, is in no pool`;
  if (!why.fits) return `host ${host}, whose trash has its data, can't take ${slotKey(set.name, slot.index)}: ${why.rejections.join(", ")}`;
  reserve(index, host, set.name, reservationOf(set));
  return null;
}
