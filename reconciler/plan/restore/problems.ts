import { slotKey } from "../../core/ids.ts";
import type { Problem } from "../../core/plan.ts";
import type { SlotFacts } from "../diff/slot-facts.ts";
import { whyNotThere } from "../diff/unfit.ts";
import { factsOf, type FleetFacts, type SetDraft } from "../set-draft.ts";
import { manifestLacks, type Wish, type Wishes } from "./wishes.ts";

/** What people should know of restores: those that can't come true any more, and those that wait for more than their slot's turn. */
export function wishProblems({ open, lost }: Wishes, fleet: Pick<FleetFacts, "hostOf">, drafts: readonly SetDraft[]): Problem[] {
  const problems: Problem[] = lost.map(({ key, restore }) => ({
    code: "restore-lost",
    severity: "error",
    subject: `trash/${key}`,
    text: `is gone from the trash, and ${slotKey(restore.to.set, restore.to.index)} did not get it back: nothing more is tried`,
  }));
  for (const wish of open) {
    const draft = drafts.find(({ name }) => name === wish.restore.to.set) ?? null;
    const text = whatFor(wish, fleet, draft);
    if (text !== null)
      problems.push({ code: "restore-waits", severity: "warning", subject: `trash/${wish.key}`, text: `waits for ${text}` });
  }
  return problems;
}

/** What the wish waits for, as `waits for ...` goes on; null: it is under way, or the slot itself says what it waits for. */
function whatFor(wish: Wish, fleet: Pick<FleetFacts, "hostOf">, draft: SetDraft | null): string | null {
  const { to, host: name, kind } = wish.restore;
  const lacking = manifestLacks(wish.restore, draft?.set ?? null, draft?.total ?? 0);
  if (lacking !== null || draft === null || draft.set === null) return lacking;
  const host = fleet.hostOf(name);
  const slot = factsOf(draft, to.index);
  if (host.reach !== "ok" || host.desired === null) return `host ${name}: ${whyNotThere(draft.set, host)!}`;
  if (wish.entry === null && kind === "lvm" && host.observation?.capabilities.includes("lvm") !== true)
    return `lvm on host ${name}, which does not work there`;
  const occupied = occupation(wish, slot);
  if (occupied !== null) return occupied;
  const first = draft.context.restores.get(to.index)?.[0];
  if (first !== undefined && first.restore.host !== name) return `${first.key}, which is to be restored into the same slot before it`;
  if (slot.current === null || slot.current.host === name) return null;
  const home = fleet.hostOf(slot.current.host);
  if (home.braked) return `hosts of pool ${home.pool?.name ?? "?"} to be heard: too many are silent at once`;
  const why = whyNotThere(draft.set, host);
  return why === null ? null : `host ${name} to take ${slotKey(to.set, to.index)}: ${why}`;
}

/** Data that the slot has and would lose, though nobody said that it may. */
function occupation({ restore }: Wish, slot: SlotFacts): string | null {
  if (restore.replace || restore.begun) return null;
  const { to, host } = restore;
  const same = slot.seen.find((on) => on.volumes.some(({ name, kind }) => name === to.volume && kind === restore.kind));
  const lives = slot.current?.host === host ? undefined : slot.seen.find((on) => on.host === slot.current?.host && on.volumes.length > 0);
  const on = same ?? lives;
  if (on === undefined) return null;
  const volume = same === undefined ? on.volumes[0]!.name : to.volume;
  return `${slotKey(to.set, to.index)} to have no volume ${volume}: it has one on ${on.host}; cancel this, or ask again with --replace`;
}
