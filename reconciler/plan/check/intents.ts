import { slotKey } from "../../core/ids.ts";
import type { Claim } from "../../core/memory.ts";
import type { Plan, PlanInput } from "../../core/plan.ts";

/** The claim each slot lives on, as the plan's own intents leave it. */
export interface Claims {
  /** As the plan found it: known to the journal, or adopted in this very pass. */
  before(set: string, index: number): Claim | null;
  /** Once the intents are written; null: the slot is to live nowhere. */
  after(set: string, index: number): Claim | null;
}

/** Follows the intents in their order. */
export function readClaims(input: PlanInput, plan: Plan): Claims {
  const adopted = new Map<string, Claim>();
  const decided = new Map<string, Claim | null>();
  const before = (set: string, index: number): Claim | null =>
    adopted.get(slotKey(set, index)) ?? input.memory.sets.get(set)?.slots.get(index)?.current ?? null;
  function after(set: string, index: number): Claim | null {
    const known = decided.get(slotKey(set, index));
    return known === undefined ? before(set, index) : known;
  }
  for (const event of plan.intents) {
    if (event.type === "slot.placed" || event.type === "slot.resized") decided.set(slotKey(event.set, event.index), event.claim);
    if (event.type === "slot.retired" && after(event.set, event.index)?.generation === event.generation)
      decided.set(slotKey(event.set, event.index), null);
    if (event.type !== "slot.adopted") continue;
    const used = input.memory.sets.get(event.set)?.generations.get(event.index) ?? 0;
    const { generation } = event.claim;
    if (generation >= used && generation > (before(event.set, event.index)?.generation ?? 0))
      adopted.set(slotKey(event.set, event.index), event.claim);
  }
  return { before, after };
}
