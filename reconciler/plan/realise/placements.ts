import type { Claim } from "../../core/memory.ts";
import { containsAddress, parseAddress, parseCidr } from "../../core/addresses.ts";
import { slotKey } from "../../core/ids.ts";
import type { DesiredSet } from "../../core/desired.ts";
import type { Decision } from "../../core/plan.ts";
import { instanceOf } from "../diff/assess.ts";
import type { Assessment } from "../diff/assessment.ts";
import { losesData, volumesOn, type SlotFacts } from "../diff/slot-facts.ts";
import { explainPlacement } from "../place/explain.ts";
import { takeAddress } from "../place/addresses.ts";
import { placeSlots, type PlacementResult } from "../place/place-slots.ts";
import { factsOf } from "../set-draft.ts";
import { claimFits } from "../diff/claim-fits.ts";
import type { Wish } from "../restore/wishes.ts";
import { lentForWishes, refusalOf } from "./restores.ts";
import { growInPlace, reservationOf } from "./room.ts";
import type { SetWork } from "./set-work.ts";
import { reclaimableBytes } from "./reclaim.ts";
import { reserve, withTrashAsFree } from "../place/reservations.ts";

/** Where each slot that needs a host goes, or why nowhere; without an entry it may not be created yet. */
export type Placements = ReadonlyMap<number, Placed>;

export type Placed = { readonly host: string; readonly text: string } | { readonly host: null; readonly text: string };

/**
 * Finds hosts for all slots of the Set that need one, in one call, after those that stay on their host and grow there.
 * Slots that can't grow where they are, hold no data there and may be moved come back as moves in `converted`.
 */
export function findPlaces(
  work: SetWork,
  set: DesiredSet,
): { readonly placements: Placements; readonly converted: ReadonlyMap<number, Assessment> } {
  const converted = growAll(work, set);
  const placements = new Map<number, Placed>();
  const open: { index: number; avoid: readonly string[] }[] = [];
  let room = work.draft.total - runningSlots(work);
  for (const [index, original] of work.draft.assessments) {
    const assessment = converted.get(index) ?? original;
    if (assessment.kind !== "place") continue;
    if (assessment.cause === "create" && !isRunning(work, index) && --room < 0) continue;
    if (assessment.pinned !== null) placements.set(index, placePinned(work, set, index, assessment.pinned, assessment.restores));
    else open.push({ index, avoid: avoidOf(work, index, assessment) });
  }
  placeOpen(work, set, open, placements);
  return { placements, converted };
}

/** Slots, wanted or not, that run and are not given up in this pass: with what is created they make no more than the total. */
function runningSlots(work: SetWork): number {
  let count = 0;
  for (const [index, assessment] of work.draft.assessments) {
    const { current } = factsOf(work.draft, index);
    const pool = current === null ? null : work.pass.fleet.hostOf(current.host).pool;
    const goes = assessment.kind === "retire" && (pool === null || !work.pass.heldPools.has(pool.name));
    if (!goes && isRunning(work, index)) count++;
  }
  return count;
}

function isRunning(work: SetWork, index: number): boolean {
  const slot = factsOf(work.draft, index);
  if (slot.current === null || work.pass.fleet.hostOf(slot.current.host).reach !== "ok") return false;
  return instanceOf(slot, slot.current)?.phase === "running";
}

/** A move leaves its present host for good. */
function avoidOf(work: SetWork, index: number, assessment: Extract<Assessment, { kind: "place" }>): readonly string[] {
  const current = factsOf(work.draft, index).current;
  return assessment.cause === "move" && current !== null ? [...assessment.avoid, current.host] : assessment.avoid;
}

function growAll(work: SetWork, set: DesiredSet): Map<number, Assessment> {
  const converted = new Map<number, Assessment>();
  for (const [index, assessment] of work.draft.assessments) {
    if (assessment.kind !== "update" && assessment.kind !== "replace" && assessment.kind !== "restart") continue;
    const slot = factsOf(work.draft, index);
    if (slot.current === null || claimFits(slot.current, set, volumesOn(slot, slot.current.host))) continue;
    const lack = growInPlace(work.pass, set, slot, slot.current);
    if (lack === null) continue;
    const { braked } = work.pass.fleet.hostOf(slot.current.host);
    const movable = !set.needs.includes("lvm") && !losesData(slot) && !braked && work.draft.context.frozen === null;
    const decision = movable ? { code: "move", text: lack } : { code: "blocked.capacity", text: lack };
    const disruptive = assessment.kind === "update" || (assessment.kind === "replace" && assessment.disruptive);
    const move: Assessment = { kind: "place", cause: "move", pinned: null, avoid: [], disruptive, restores: [], decision };
    converted.set(index, movable ? move : { kind: "wait", wakeInMs: null, decision });
  }
  return converted;
}

function placePinned(work: SetWork, set: DesiredSet, index: number, host: string, restores: readonly Wish[]): Placed {
  const slot = factsOf(work.draft, index);
  const status = work.pass.fleet.hostOf(host);
  if (status.reach !== "ok") return { host: null, text: `host ${host}, which has its volume, is silent` };
  const claim = slot.current?.host === host ? slot.current : slot.former.find((former) => former.host === host);
  const lent = lentForWishes(slot, host, restores);
  if (claim === undefined && restores.length > 0) {
    const refusal = refusalOf(work.pass, set, slot, host, lent);
    return refusal === null ? { host, text: "" } : { host: null, text: refusal };
  }
  const nothing: Claim = {
    generation: 0,
    host,
    ip: null,
    resources: NO_ROOM,
    hostPorts: [],
    exclusive: false,
    core: false,
    taskId: "",
    why: "",
  };
  const lack = growInPlace(work.pass, set, slot, claim ?? nothing, lent);
  if (lack !== null) return { host: null, text: lack };
  if (claim === undefined) reserve(work.pass.index, host, set.name, { ...reservationOf(set, []), resources: NO_ROOM, hostPorts: [] });
  return { host, text: "" };
}

const NO_ROOM = { cpuMillis: 0, memoryBytes: 0, diskBytes: 0, ingressBps: 0, egressBps: 0 };

/** First without the hosts to avoid; where that leaves nothing, with them: a host that failed may do better next time. */
function placeOpen(
  work: SetWork,
  set: DesiredSet,
  open: readonly { index: number; avoid: readonly string[] }[],
  placements: Map<number, Placed>,
): void {
  if (open.length === 0) return;
  const { index } = work.pass;
  const first = placeSlots(index, set, { slots: open });
  const again = first
    .filter((result) => result.host === null && mayReturn(work, result.index))
    .map((result) => ({ index: result.index, avoid: [] }));
  const second =
    again.length === 0 ? first : [...first.filter((result) => result.host !== null), ...placeSlots(index, set, { slots: again })];
  const results = placeOnTrash(work, set, second, open);
  let explained: string | null = null;
  for (const result of results) {
    if (result.host !== null) placements.set(result.index, { host: result.host, text: result.text });
    else if (result.rejected.fit === 0) placements.set(result.index, { host: null, text: result.rejected.text });
    else placements.set(result.index, { host: null, text: (explained ??= explainPlacement(index, set, [])) });
  }
  for (const { index: slot } of open) {
    if (!placements.has(slot)) placements.set(slot, { host: null, text: (explained ??= explainPlacement(index, set, [])) });
  }
}

/** Those that found no room once more, with the trash of hosts that give it up for that counted as room. */
function placeOnTrash(
  { pass }: SetWork,
  set: DesiredSet,
  results: readonly PlacementResult[],
  open: readonly { index: number; avoid: readonly string[] }[],
): readonly PlacementResult[] {
  const homeless = new Set(results.filter(({ host }) => host === null).map((result) => result.index));
  const gives = set.pools.some((pool) => pass.fleet.input.desired.pools.get(pool)?.storage.trashReclaim === "when-full");
  if (homeless.size === 0 || !gives || set.resources.diskBytes === 0) return results;
  const slots = open.filter((slot) => homeless.has(slot.index));
  const found = withTrashAsFree(
    pass.index,
    (host) => reclaimableBytes(pass, host),
    () => placeSlots(pass.index, set, { slots }),
  );
  const told = found.map((result) =>
    result.host === null ? result : { ...result, text: `${result.text}; the oldest of its trash makes room` },
  );
  return [...results.filter(({ host }) => host !== null), ...told];
}

function mayReturn(work: SetWork, index: number): boolean {
  const assessment = work.draft.assessments.get(index);
  return assessment?.kind === "place" && assessment.cause === "create" && assessment.avoid.length > 0;
}

/**
 * The claim of a new generation on a host, with an address: the slot's own where it may keep it, else a free one. A
 * Decision when there is none to be had.
 */
export function newClaim(work: SetWork, set: DesiredSet, index: number, host: string, why: string): Claim | Decision {
  const { pass, draft } = work;
  const slot = factsOf(draft, index);
  const pool = pass.fleet.hostOf(host).pool;
  if (pool === null) return { code: "blocked.addresses", text: `host ${host} is in no pool` };
  const key = slotKey(draft.name, index);
  const leases = pass.addresses.get(pool.name);
  const own = addressToKeep(set, slot, host, pool.network.cidr);
  const kept = own !== null && pass.fleet.otherHolder(own, key) === null ? own : null;
  // Which addresses and Instances a host holds that nobody has seen yet is in no journal.
  const unknown = kept === null || set.exclusive ? pass.fleet.uninventoried(set.exclusive ? null : [pool.name, ...set.pools]) : null;
  if (unknown !== null) return { code: "wait.inventory", text: unknown };
  const ip = kept ?? (leases === undefined ? null : takeAddress(leases, key, null));
  if (ip === null) return { code: "blocked.addresses", text: `pool ${pool.name} has no free address` };
  if (kept === null) pass.tentative.push({ pool: pool.name, ip, slot: key });
  const hosts = [host, ...slot.seen.map((on) => on.host)];
  const floors = hosts.map((name) => pass.fleet.floorOf(name, draft.name, index) - 1);
  const generation = Math.max(slot.highest, draft.memory?.generations.get(index) ?? 0, ...floors) + 1;
  return { generation, host, ip, ...reservationOf(set, volumesOn(slot, host)), exclusive: set.exclusive, taskId: work.taskId, why };
}

/**
 * The slot's address stays with it where it is reused, or where it stays on its host; only within the pool's range, and never while
 * an earlier generation on another host holds it, unless the new one waits until that is gone.
 */
function addressToKeep(set: DesiredSet, slot: SlotFacts, host: string, cidr: string): string | null {
  const before = slot.current ?? slot.former.at(-1) ?? null;
  if (before === null || before.ip === null) return null;
  if (!set.exclusive && isHeldElsewhere(slot, before.ip, host)) return null;
  const stays = set.template.network.ip === "reuse" || before.host === host;
  const range = parseCidr(cidr);
  const address = parseAddress(before.ip);
  return stays && range !== null && address !== null && containsAddress(range, address) ? before.ip : null;
}

function isHeldElsewhere(slot: SlotFacts, ip: string, host: string): boolean {
  const claims = slot.current === null ? slot.former : [...slot.former, slot.current];
  if (claims.some((claim) => claim.ip === ip && claim.host !== host)) return true;
  return slot.seen.some((on) => on.host !== host && (on.port?.ip === ip || on.instances.some((instance) => instance.ip === ip)));
}
