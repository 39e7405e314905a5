import { slotKey } from "../../core/ids.ts";
import type { Claim, SlotMemory } from "../../core/memory.ts";
import { compareText } from "../../core/order.ts";
import { type Draft, type EventOf, refuse, replaceSet, type SetDraft, setOf } from "./draft.ts";

const NO_CLAIMS: SlotMemory = { current: null, former: [] };

export function slotPlaced(draft: Draft, event: EventOf<"slot.placed">): void {
  const set = setOf(draft, event.set);
  const highest = set.generations.get(event.index) ?? 0;
  const generation = event.claim.generation;
  if (generation <= highest) {
    refuse(draft, event, `${slotKey(event.set, event.index)} gets generation ${generation}, but ${highest} was used already`);
  }
  putCurrent(set, event.index, event.claim);
  replaceSet(draft, event.set, set);
}

/** The newest generation ever used becomes current, older ones are former. */
export function slotAdopted(draft: Draft, event: EventOf<"slot.adopted">): void {
  const set = setOf(draft, event.set);
  const slot = set.slots.get(event.index) ?? NO_CLAIMS;
  const { generation, host } = event.claim;
  const claims = slot.current === null ? slot.former : [...slot.former, slot.current];
  if (claims.some((claim) => claim.generation === generation && claim.host === host)) {
    refuse(draft, event, `${slotKey(event.set, event.index)} has a claim of generation ${generation} on ${host} already`);
  }
  const isNewest = claims.every((claim) => claim.generation < generation) && generation >= (set.generations.get(event.index) ?? 0);
  if (isNewest) putCurrent(set, event.index, event.claim);
  else set.slots.set(event.index, { current: slot.current, former: withClaim(slot.former, event.claim) });
  replaceSet(draft, event.set, set);
}

export function slotResized(draft: Draft, event: EventOf<"slot.resized">): void {
  const set = setOf(draft, event.set);
  const slot = set.slots.get(event.index) ?? NO_CLAIMS;
  const { generation, host } = event.claim;
  if (slot.current?.generation !== generation || slot.current.host !== host) {
    refuse(draft, event, `${slotKey(event.set, event.index)} has no current claim of generation ${generation} on ${host}`);
  }
  set.slots.set(event.index, { current: event.claim, former: slot.former });
  replaceSet(draft, event.set, set);
}

export function slotRetired(draft: Draft, event: EventOf<"slot.retired">): void {
  const set = setOf(draft, event.set);
  const slot = set.slots.get(event.index) ?? NO_CLAIMS;
  if (slot.current?.generation !== event.generation) {
    refuse(draft, event, `${slotKey(event.set, event.index)} has no current claim of generation ${event.generation}`);
  }
  set.slots.set(event.index, { current: null, former: withClaim(slot.former, slot.current) });
  replaceSet(draft, event.set, set);
}

export function slotCleared(draft: Draft, event: EventOf<"slot.cleared">): void {
  const set = setOf(draft, event.set);
  const slot = set.slots.get(event.index) ?? NO_CLAIMS;
  const position = slot.former.findIndex((claim) => claim.generation === event.generation);
  if (position < 0) refuse(draft, event, `${slotKey(event.set, event.index)} has no former claim of generation ${event.generation}`);
  const former = slot.former.toSpliced(position, 1);
  if (slot.current === null && former.length === 0) set.slots.delete(event.index);
  else set.slots.set(event.index, { current: slot.current, former });
  replaceSet(draft, event.set, set);
}

/** Makes the claim current; the one before becomes former. */
function putCurrent(set: SetDraft, index: number, claim: Claim): void {
  const slot = set.slots.get(index) ?? NO_CLAIMS;
  const former = slot.current === null ? slot.former : withClaim(slot.former, slot.current);
  set.slots.set(index, { current: claim, former });
  set.generations.set(index, Math.max(claim.generation, set.generations.get(index) ?? 0));
}

/** The claims with one more, ascending by generation, then host. */
function withClaim(claims: readonly Claim[], claim: Claim): readonly Claim[] {
  return [...claims, claim].sort((a, b) => a.generation - b.generation || compareText(a.host, b.host));
}
