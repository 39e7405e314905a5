import type { Destroy } from "./budget.ts";
import { givesUpData } from "./diff/restore.ts";
import { factsOf, type SetDraft } from "./set-draft.ts";

/** Instances that would go for good, moves that leave data behind, and data that is replaced. */
export function destroysOf(drafts: readonly SetDraft[]): Destroy[] {
  const destroys: Destroy[] = [];
  for (const draft of drafts) {
    for (const [index, assessment] of draft.assessments) {
      const slot = factsOf(draft, index);
      if (slot.current === null || !givesUpData(slot, assessment)) continue;
      const host = draft.context.hostOf(slot.current.host);
      if (host.reach !== "dead") destroys.push({ set: draft.name, index, generation: slot.current.generation, host });
    }
  }
  return destroys;
}
