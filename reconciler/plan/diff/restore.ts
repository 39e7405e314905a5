import type { DesiredSet } from "../../core/desired.ts";
import type { Claim, Restore } from "../../core/memory.ts";
import type { Decision } from "../../core/plan.ts";
import type { HostStatus } from "../fleet/host-status.ts";
import type { Wish } from "../restore/wishes.ts";
import type { AssessContext, Assessment } from "./assessment.ts";
import type { VolumeHere } from "../volumes/on-host.ts";
import { losesData, volumesOn, type SlotFacts } from "./slot-facts.ts";
import { whyNotThere } from "./unfit.ts";

type Placing = Extract<Assessment, { kind: "place" }>;

/**
 * What the slot wants when volumes of it are to come back from the trash of a host: to be on that host, and a new generation
 * there where it has to give up what it has. A slot that lives goes on as it is while that host can't take it.
 */
export function withRestores(context: AssessContext, set: DesiredSet, slot: SlotFacts, raw: Assessment): Assessment {
  const wishes = (context.restores.get(slot.index) ?? []).filter((wish) => mayHappen(wish, slot));
  const [first] = wishes;
  if (first === undefined || raw.kind === "wait" || raw.kind === "busy" || raw.kind === "retire") return raw;
  const host = context.hostOf(first.restore.host);
  if (host.reach === "ok" && wishes.some(({ entry }) => entry === null)) return lives(raw) ? raw : waitForTrash(host);
  if (slot.current === null) return toHost(slot, wishes);
  if (slot.current.host === host.name) return onHost(context, slot, slot.current, raw, wishes);
  if (isIdle(slot, slot.current, raw)) return toHost(slot, wishes);
  const braked = context.hostOf(slot.current.host).braked;
  return !braked && whyNotThere(set, host) === null ? toHost(slot, wishes) : raw;
}

/** A slot that has such a volume, or other data elsewhere, gives it up only when that was said. */
function mayHappen({ restore }: Wish, slot: SlotFacts): boolean {
  if (restore.replace) return true;
  const has = slot.seen.some((on) => hasVolume(on.volumes, restore));
  return !has && (slot.current === null || slot.current.host === restore.host || !losesData(slot));
}

/** An Instance of it is up, as far as that depends on the slot. */
function lives(raw: Assessment): boolean {
  return raw.kind === "keep" || raw.kind === "update" || raw.kind === "replace" || (raw.kind === "restart" && raw.how !== "start");
}

function waitForTrash({ name }: HostStatus): Assessment {
  const text = `its volume is to come back from the trash of ${name}, which that host can't show now`;
  return { kind: "wait", wakeInMs: null, decision: { code: "wait.restore", text } };
}

function toHost(slot: SlotFacts, wishes: readonly Wish[]): Placing {
  const { host, who, why } = wishes[0]!.restore;
  const leaves = slot.current !== null && slot.current.host !== host;
  const decision: Decision = { code: "restore", text: `${who} asked for it${why === "" ? "" : `: ${why}`}` };
  return { kind: "place", cause: leaves ? "move" : "create", pinned: host, avoid: [], disruptive: true, restores: wishes, decision };
}

/** The slot is on the right host: does it need another generation there? */
function onHost(context: AssessContext, slot: SlotFacts, current: Claim, raw: Assessment, wishes: readonly Wish[]): Assessment {
  const present = wishes.filter((wish) => hasVolume(volumesOn(slot, wish.restore.host), wish.restore));
  const agreed = present.every(({ key }) => current.restores?.includes(key) === true);
  if (raw.kind === "place") {
    // Unfit or lost: it has to leave, and the wish waits.
    if (raw.cause === "move") return raw;
    // It failed here; elsewhere it would have no data.
    if (raw.pinned === null && agreed)
      return { kind: "restart", how: "start", crash: null, decision: { code: "create", text: current.why } };
    return toHost(slot, wishes);
  }
  if (raw.kind === "restart" && raw.how === "start") return agreed ? raw : toHost(slot, wishes);
  if (raw.kind === "replace" && raw.difference.reach === "infra" && present.length === 0) return raw;
  return context.hostOf(current.host).braked ? raw : toHost(slot, wishes);
}

/** One of that name and kind; another kind of volume is none that the Set wants, and goes when the slot is started next. */
function hasVolume(volumes: readonly VolumeHere[], { to, kind }: Restore): boolean {
  return volumes.some((volume) => volume.name === to.volume && volume.kind === kind);
}

/** Nothing of it is where it was placed: it can be placed anew without a loss. */
function isIdle(slot: SlotFacts, current: Claim, raw: Assessment): boolean {
  const fresh = raw.kind === "restart" ? raw.how === "start" : raw.kind === "place" && raw.cause === "create";
  const on = slot.seen.find(({ host }) => host === current.host);
  return fresh && (on === undefined || (on.instances.length === 0 && on.volumes.length === 0));
}

/** True when what the slot has on its host goes to the trash by this. */
export function givesUpData(slot: SlotFacts, assessment: Assessment): boolean {
  if (assessment.kind !== "place") return assessment.kind === "retire";
  if (assessment.cause === "move") return losesData(slot);
  const { current } = slot;
  if (current === null) return false;
  return assessment.restores.some(({ restore }) => restore.host === current.host && hasVolume(volumesOn(slot, current.host), restore));
}
