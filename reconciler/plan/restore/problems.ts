import { slotKey } from "../../core/ids.ts";
import type { Problem } from "../../core/plan.ts";
import type { Sightings } from "../fleet/sightings.ts";
import type { FleetFacts, SetDraft } from "../set-draft.ts";
import { whyWaits, type Wish, type Wishes } from "./wishes.ts";

/** What people should know of restores: those that can't come true any more, and those that wait for more than their slot's turn. */
export function wishProblems(
  { open, lost }: Wishes,
  fleet: Pick<FleetFacts, "hostOf">,
  drafts: readonly SetDraft[],
  sightings: Sightings,
): Problem[] {
  const problems: Problem[] = lost.map(({ key, restore }) => ({
    code: "restore-lost",
    severity: "error",
    subject: `trash/${key}`,
    text: `is gone from the trash, and ${slotKey(restore.to.set, restore.to.index)} did not get it back: nothing more is tried`,
  }));
  for (const wish of open) {
    const { to, host } = wish.restore;
    const draft = drafts.find(({ name }) => name === to.set);
    const facts = { set: draft?.set ?? null, total: draft?.total ?? 0, holders: holdersOf(wish, sightings), host: fleet.hostOf(host) };
    const text = whyWaits(wish, facts);
    if (text !== null) problems.push({ code: "restore-waits", severity: "warning", subject: `trash/${wish.key}`, text });
  }
  return problems;
}

/** Hosts that show a volume under the name that the wish is to have. */
function holdersOf({ restore }: Wish, sightings: Sightings): string[] {
  const { set, index, volume } = restore.to;
  const shown = [...sightings.of(set)].filter(([, on]) => on.volumes.some((other) => other.index === index && other.name === volume));
  return shown.map(([host]) => host).sort();
}
