import type { Destroy } from "./budget.ts";
import type { Assessment } from "./diff/assessment.ts";
import { givesUpData } from "./diff/restore.ts";
import { dropsData, type SlotFacts } from "./diff/slot-facts.ts";
import { factsOf, type SetDraft } from "./set-draft.ts";

/** What the Sets would give up. */
export function destroysOf(drafts: readonly SetDraft[]): Destroy[] {
  const destroys: Destroy[] = [];
  for (const draft of drafts) {
    for (const [index, assessment] of draft.assessments) {
      const slot = factsOf(draft, index);
      if (!givesUp(draft, slot, assessment) || slot.current === null) continue;
      const host = draft.context.hostOf(slot.current.host);
      if (host.reach !== "dead") destroys.push({ set: draft.name, index, generation: slot.current.generation, host });
    }
  }
  return destroys;
}

/** True for an Instance that would go for good, a move or restore that leaves data behind, and a new generation without a volume that it had. */
function givesUp({ set }: SetDraft, slot: SlotFacts, assessment: Assessment): boolean {
  if (assessment.kind === "retire" || givesUpData(slot, assessment)) return true;
  if (assessment.kind === "place" && assessment.cause === "move") return false;
  const begins = assessment.kind === "place" || (assessment.kind === "replace" && assessment.difference.reach === "infra");
  return begins && set !== null && dropsData(set, slot);
}
