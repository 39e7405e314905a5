import { compareText } from "../../core/order.ts";
import type { Problem } from "../../core/plan.ts";
import { volumesOn } from "../diff/slot-facts.ts";
import { unenforcedProblem } from "../diff/unenforced.ts";
import { zoneShortfall } from "../place/zones.ts";
import { plural } from "../render.ts";
import { factsOf } from "../set-draft.ts";
import { refusedShrinks } from "../volumes/on-host.ts";
import type { SetWork } from "./set-work.ts";

/** What is not as the Set asks though nothing of it has to be done; to be called when all its slots are placed. */
export function noteProblems(work: SetWork): void {
  noteShortfall(work);
  noteUnenforced(work);
  noteShrinks(work);
}

/** Says where the Set's promise about zones is not kept, now that it is placed. */
function noteShortfall(work: SetWork): void {
  const { set, target, name } = work.draft;
  if (set === null || target === null) return;
  const text = target.shortfall ?? zoneShortfall(work.pass.index, set, target.count);
  if (text !== null) work.problems.push(shortfallProblem(name, text));
}

/** Limits that the Set goes without where it runs or is going to run. */
function noteUnenforced(work: SetWork): void {
  const { set } = work.draft;
  if (set === null) return;
  const hosts = work.changes.flatMap(({ kind, host }) => (host === null || kind === "remove" ? [] : [work.pass.fleet.hostOf(host)]));
  const problem = unenforcedProblem(set, hosts);
  if (problem !== null) work.problems.push(problem);
}

/** Volumes that the manifest would have smaller, by what stays. */
function noteShrinks(work: SetWork): void {
  const { set, assessments, name } = work.draft;
  if (set === null || !set.needs.includes("lvm")) return;
  const slots = new Map<string, number>();
  for (const index of assessments.keys()) {
    const slot = factsOf(work.draft, index);
    const stays = slot.current === null ? null : refusedShrinks(set, volumesOn(slot, slot.current.host));
    if (stays !== null) slots.set(stays, (slots.get(stays) ?? 0) + 1);
  }
  for (const [stays, count] of [...slots].sort(([a], [b]) => compareText(a, b))) {
    work.problems.push({ code: "volume-shrink", severity: "warning", subject: `set/${name}`, text: `${plural(count, "slot")}: ${stays}` });
  }
}

export function shortfallProblem(set: string, text: string): Problem {
  return { code: "zone-shortfall", severity: "warning", subject: `set/${set}`, text };
}
