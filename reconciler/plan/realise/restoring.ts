import type { SlotFacts } from "../diff/slot-facts.ts";
import type { Restored } from "../steps/volume-steps.ts";
import { heldBytes, type VolumeHere } from "../volumes/on-host.ts";

/** What comes back from the trash when a generation of a slot starts. */
export interface Restoring {
  /** By the name in the slot. */
  readonly back: ReadonlyMap<string, Restored>;
  /** Those of the slot's present volumes that have to go to the trash first. */
  readonly replaced: readonly VolumeHere[];
}

/** `volume data from web-0-data-5`, for people; empty when nothing comes back. */
export function describeRestoring({ back }: Restoring): string {
  return [...back].map(([volume, { trashId }]) => `volume ${volume} from ${trashId}`).join(", ");
}

/**
 * Bytes that the slot needs no room for on a host where it is new: they are taken there by what comes back. Where it has its claim
 * already, the trash is counted without them (plan/restore/taken.ts).
 */
export function lentBytes(slot: SlotFacts, host: string, { back }: Pick<Restoring, "back">): number {
  return slot.current?.host === host ? 0 : heldBytes([...back.values()]);
}
