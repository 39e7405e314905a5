import type { Desired, DesiredSet } from "../core/desired.ts";
import type { EventBody } from "../core/events.ts";
import { parseSlotKey } from "../core/ids.ts";
import type { SetMemory } from "../core/memory.ts";
import type { HostObservation } from "../core/observation.ts";
import { compareText } from "../core/order.ts";
import type { Plan, PlanInput, Problem } from "../core/plan.ts";
import { assemble, type SetResult, type SetTotals } from "./assemble.ts";
import { weighDestroys } from "./budget.ts";
import { destroysOf } from "./destroys.ts";
import { settledSet, type SettledContext } from "./diff/settled.ts";
import { slotFacts, type SlotFacts } from "./diff/slot-facts.ts";
import { holdingsOf, type Holdings } from "./fleet/holdings.ts";
import {
  createHostTable,
  floorOn,
  hostLookup,
  indexHost,
  refreshHosts,
  uninventoriedReason,
  zonesByPool,
  zonesOf,
  type HostTable,
} from "./fleet/host-table.ts";
import { hostStatus } from "./fleet/host-status.ts";
import { createSightings, type Sightings, type SetSightings } from "./fleet/sightings.ts";
import { NO_WISHES, readWishes, type Wishes } from "./restore/wishes.ts";
import { countTrash } from "./restore/taken.ts";
import { wishProblems } from "./restore/problems.ts";
import { liveSlots } from "./fleet/slot-counts.ts";
import { createAddressPool, freeAddress, freeAddressCount, holdAddress, otherHolder, type AddressPool } from "./place/addresses.ts";
import { createHostIndex, type HostIndex } from "./place/host-index.ts";
import { mark, release, reserve, rollback } from "./place/reservations.ts";
import { shortfallProblem } from "./realise/notes.ts";
import { realiseSet } from "./realise/realise-set.ts";
import { problemsOf, type PassContext, type SetWork } from "./realise/set-work.ts";
import { draftSet, type FleetFacts, type SetDraft } from "./set-draft.ts";
import { purgeTrash } from "./steps/purge.ts";
import { createStepList } from "./steps/step-list.ts";

/**
 * Plans passes one after another and remembers, by object identity, what it looked at: a Set whose manifest, memory and
 * sightings are the same objects as last time, and that was settled then, costs nothing. For any input the Plan is
 * the one a fresh planner makes (test/plan/pure-world.ts asserts it in every pass).
 */
export interface Planner {
  plan(input: PlanInput): Plan;
}

/** What is remembered of a Set between passes. */
interface SetState {
  desired: DesiredSet | null;
  memory: SetMemory | null;
  /** Worked out when it is asked for; null for a Set that was found settled at a glance. */
  known: KnownSlots | null;
  holdings: Holdings;
  /** What the last pass made of it; null while it was not planned yet. */
  result: SetResult | null;
}

interface KnownSlots {
  readonly facts: ReadonlyMap<number, SlotFacts>;
  readonly adoptions: readonly EventBody[];
}

interface PlannerState {
  /** Wall clock of the last pass. */
  nowMs: number;
  desired: Desired | null;
  index: HostIndex;
  addresses: ReadonlyMap<string, AddressPool>;
  zones: ReadonlyMap<string, ReadonlySet<string>>;
  readonly hosts: HostTable;
  /** As last taken over; null for a host that was confirmed dead. */
  readonly observations: Map<string, HostObservation | null>;
  readonly sightings: Sightings;
  readonly sets: Map<string, SetState>;
  /** Sets that have to be looked at whatever changed: not settled last time, or with busy slots. */
  readonly open: Set<string>;
  /** Settled Sets for which time alone changes something, with when (wall clock). */
  readonly sleeping: Map<string, number>;
  /** Problems of Sets that have some. */
  readonly problems: Map<string, readonly Problem[]>;
  /** Restores and purges that were asked for, as of this pass. */
  wishes: Wishes;
  /** Slots that are kept as they are. */
  unchanged: number;
}

const NOTHING_HELD: Holdings = { rooms: [], leases: [] };

/** A planner that has seen nothing yet. */
export function createPlanner(): Planner {
  const state: PlannerState = {
    nowMs: -Infinity,
    desired: null,
    index: createHostIndex([], new Map()),
    addresses: new Map(),
    zones: new Map(),
    hosts: createHostTable(),
    observations: new Map(),
    sightings: createSightings(),
    sets: new Map(),
    open: new Set(),
    sleeping: new Map(),
    problems: new Map(),
    wishes: NO_WISHES,
    unchanged: 0,
  };
  return { plan: (input) => planPass(state, input) };
}

/** One pass from scratch. */
export function plan(input: PlanInput): Plan {
  return createPlanner().plan(input);
}

function planPass(state: PlannerState, input: PlanInput): Plan {
  const dirty = new Set<string>();
  const rebuilt = takeDesired(state, input.desired);
  takeHosts(state, input, dirty, rebuilt);
  takeSets(state, input, dirty);
  for (const key of input.busy) {
    const slot = parseSlotKey(key);
    if (slot !== null) state.open.add(slot.set);
  }
  // A wall clock that was set back makes any wait another one.
  const setBack = input.nowMs < state.nowMs;
  for (const [name, wakeAtMs] of state.sleeping) if (setBack || wakeAtMs <= input.nowMs) state.open.add(name);
  state.nowMs = input.nowMs;
  takeWishes(state, input);
  for (const name of dirty) refreshSet(state, input, name);
  return decide(state, input, [...state.open]);
}

/** Sets into which something is to be restored are looked at in every pass, and once more when that is over. */
function takeWishes(state: PlannerState, input: PlanInput): void {
  const before = state.wishes;
  state.wishes = readWishes(input, hostLookup(input, state.hosts));
  countTrash(state.index, state.hosts, input.memory, before, state.wishes);
  for (const { restore } of [...before.open, ...state.wishes.open]) {
    const { set } = restore.to;
    if (input.desired.sets.has(set) || state.sets.has(set)) state.open.add(set);
  }
}

/** Takes over new hosts and pools; the index and leases are built anew only when those changed. */
function takeDesired(state: PlannerState, desired: Desired): boolean {
  const before = state.desired;
  state.desired = desired;
  if (before !== null && before.hosts === desired.hosts && before.pools === desired.pools) return false;
  state.addresses = new Map([...desired.pools.values()].map((pool) => [pool.name, createAddressPool(pool.network)]));
  const { addresses } = state;
  state.index = createHostIndex(desired.hosts, desired.pools, (pool) => freeAddressCount(addresses.get(pool)!));
  state.zones = zonesByPool(desired.hosts);
  for (const [name, set] of state.sets) {
    takeHoldings(state, name, set.holdings);
    state.open.add(name);
  }
  return true;
}

/** Takes over what hosts report, and marks every Set for which that may matter. */
function takeHosts(state: PlannerState, input: PlanInput, dirty: Set<string>, rebuilt: boolean): void {
  const { hosts, index, observations } = state;
  const { changed, observed } = refreshHosts(input, hosts);
  const moved = new Set(changed);
  const fresh = rebuilt ? new Set(hosts.statuses.keys()) : new Set(observed);
  for (const name of new Set([...fresh, ...changed])) {
    const status = hosts.statuses.get(name);
    if (status !== undefined) indexHost(index, status, fresh.has(name));
  }
  for (const [name, view] of input.fleet) {
    const observation = isDead(input, name) ? null : view.observation;
    const before = observations.get(name) ?? null;
    if (before === observation) continue;
    for (const set of state.sightings.update(name, before, observation)) dirty.add(set);
    for (const set of floorChanges(before, observation)) dirty.add(set);
    observations.set(name, observation);
    if (!hosts.statuses.has(name) || !sameTexts(before?.capabilities, observation?.capabilities)) moved.add(name);
  }
  for (const [name, before] of observations) {
    if (input.fleet.has(name)) continue;
    for (const set of state.sightings.update(name, before, null)) dirty.add(set);
    observations.delete(name);
    moved.add(name);
  }
  openSetsOn(state, moved);
}

function sameTexts(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.length === b.length && a.every((text, at) => text === b[at]));
}

/** A host that changed in reach, state or what it can enforce matters to every Set that holds room there. */
function openSetsOn(state: PlannerState, hosts: ReadonlySet<string>): void {
  if (hosts.size === 0) return;
  for (const [name, { holdings }] of state.sets) if (holdings.rooms.some((room) => hosts.has(room.host))) state.open.add(name);
}

/** What a host showed before it was confirmed dead is no news of it any more. */
function isDead(input: PlanInput, name: string): boolean {
  if (input.memory.hosts.get(name)?.confirmedDeadAtMs == null) return false;
  const desired = input.desired.hosts.find((host) => host.name === name) ?? null;
  return hostStatus(input, name, desired).reach === "dead";
}

/** Sets of which a host refuses other generations than before. */
function floorChanges(before: HostObservation | null, after: HostObservation | null): Set<string> {
  const sets = new Set<string>();
  if (after === null || before?.floors === after.floors) return sets;
  for (const [key, floor] of Object.entries(after.floors)) {
    if (before?.floors[key] === floor) continue;
    const slot = parseSlotKey(key);
    if (slot !== null) sets.add(slot.set);
  }
  return sets;
}

/** Marks Sets whose manifest or memory is another object than last time. */
function takeSets(state: PlannerState, input: PlanInput, dirty: Set<string>): void {
  const { sets } = input.desired;
  let known = 0;
  for (const [name, desired] of sets) {
    const before = state.sets.get(name);
    if (before !== undefined) known++;
    if (before?.desired !== desired || before.memory !== (input.memory.sets.get(name) ?? null)) dirty.add(name);
  }
  for (const [name, memory] of input.memory.sets) {
    if (sets.has(name)) continue;
    const before = state.sets.get(name);
    if (before !== undefined) known++;
    if (before === undefined || before.desired !== null || before.memory !== memory) dirty.add(name);
  }
  if (known === state.sets.size) return;
  for (const name of state.sets.keys()) if (!sets.has(name) && !input.memory.sets.has(name)) dirty.add(name);
}

/** Works out anew what a Set is known to be and holds; one that is as it should be is done with that. */
function refreshSet(state: PlannerState, input: PlanInput, name: string): void {
  const desired = input.desired.sets.get(name) ?? null;
  const memory = input.memory.sets.get(name) ?? null;
  const seen = state.sightings.of(name);
  dropHoldings(state, name, state.sets.get(name)?.holdings ?? NOTHING_HELD);
  dropResult(state, name);
  const settled =
    desired === null || memory === null || state.open.has(name)
      ? null
      : settledSet(settledContext(state, input, desired), desired, memory, seen);
  if (settled !== null) {
    const { slots, wakeAtMs } = settled;
    takeHoldings(state, name, settled.holdings);
    const shortfall = settled.shortfall === null ? null : shortfallProblem(name, settled.shortfall);
    const problems = [shortfall, settled.unenforced].filter((problem) => problem !== null);
    const result = { name, changes: [], events: [], problems, wakeAtMs, unchanged: slots };
    state.sets.set(name, { desired, memory, known: null, holdings: settled.holdings, result: null });
    setResult(state, name, result);
    sleepUntil(state, name, wakeAtMs);
    return;
  }
  const known = factsFor(name, memory, seen);
  const holdings = holdingsOf(name, known.facts.values());
  takeHoldings(state, name, holdings);
  if (desired === null && memory === null && known.facts.size === 0) {
    state.sets.delete(name);
    state.sleeping.delete(name);
    state.open.delete(name);
    return;
  }
  state.sets.set(name, { desired, memory, known, holdings, result: null });
  state.open.add(name);
}

function settledContext(state: PlannerState, input: PlanInput, set: DesiredSet): SettledContext {
  return { nowMs: input.nowMs, zones: zonesOf(state.zones, set), statusOf: (host) => state.hosts.statuses.get(host) };
}

function factsFor(name: string, memory: SetMemory | null, seen: SetSightings): KnownSlots {
  const adoptions: EventBody[] = [];
  return { facts: slotFacts(name, memory, seen, adoptions), adoptions };
}

/** Settled Sets are looked at again when time alone may change something. */
function sleepUntil(state: PlannerState, name: string, wakeAtMs: number | null): void {
  if (wakeAtMs === null) state.sleeping.delete(name);
  else state.sleeping.set(name, wakeAtMs);
}

function takeHoldings(state: PlannerState, name: string, holdings: Holdings): void {
  for (const { host, claim } of holdings.rooms) reserve(state.index, host, name, claim);
  for (const { ip, slot } of holdings.leases) holdAddress(state.addresses.values(), ip, slot);
}

function dropHoldings(state: PlannerState, name: string, holdings: Holdings): void {
  for (const { host, claim } of holdings.rooms) release(state.index, host, name, claim);
  for (const { ip, slot } of holdings.leases) for (const pool of state.addresses.values()) freeAddress(pool, ip, slot);
}

/** Drafts, budget, then steps: for the Sets that have to be looked at, core ones first. */
function decide(state: PlannerState, input: PlanInput, names: readonly string[]): Plan {
  const fleet = fleetFacts(state, input);
  const drafts = names
    .filter((name) => state.sets.has(name))
    .map((name) => draftOf(state, fleet, name))
    .sort((a, b) => priorityOf(a) - priorityOf(b) || compareText(a.name, b.name));
  const { held, confirmed } = weighDestroys(destroysOf(drafts), (pool, zone) => liveSlots(state.index, pool, zone), input.memory.confirmed);
  const steps = createStepList();
  const heldPools = new Set(held.map((entry) => entry.pool));
  const before = mark(state.index);
  const { index, addresses } = state;
  const pass: PassContext = { fleet, index, addresses, steps, heldPools, mark: before, reclaimed: new Map(), tentative: [] };
  const worked = drafts.map((draft) => realiseSet(pass, draft));
  rollback(state.index, before);
  for (const { pool, ip, slot } of pass.tentative) freeAddress(state.addresses.get(pool)!, ip, slot);
  const purge = purgeTrash(steps, input, state.hosts, (host, trashId) => pass.reclaimed.get(host)?.steps.has(trashId) === true);
  for (const work of worked) settle(state, input, work);
  const fresh = worked.map((work) => state.sets.get(work.draft.name)!.result!);
  return assemble({
    input,
    hosts: state.hosts,
    index: state.index,
    steps,
    held,
    confirmed,
    purgeInMs: purge,
    wishEvents: state.wishes.events,
    wishProblems: wishProblems(state.wishes, fleet, drafts),
    fresh,
    totals: totalsOf(state, fresh),
  });
}

function fleetFacts(state: PlannerState, input: PlanInput): FleetFacts {
  const hostOf = hostLookup(input, state.hosts);
  return {
    input,
    hostOf,
    floorOf: (host, set, index) => floorOn(hostOf(host).observation, set, index),
    otherHolder: (ip, slot) => otherHolder(state.addresses.values(), ip, slot),
    zonesOf: (set) => zonesOf(state.zones, set),
    wishesOf: (set) => (state.wishes.open.length === 0 ? [] : state.wishes.open.filter(({ restore }) => restore.to.set === set)),
    uninventoried: (pools) => uninventoriedReason(input, state.hosts, pools),
  };
}

function draftOf(state: PlannerState, fleet: FleetFacts, name: string): SetDraft {
  const set = state.sets.get(name)!;
  set.known ??= factsFor(name, set.memory, state.sightings.of(name));
  return draftSet(fleet, name, set.desired, set.memory, set.known);
}

function priorityOf(draft: SetDraft): number {
  return ["core", "normal", "batch"].indexOf(draft.set?.priority ?? "core");
}

/** Remembers what came of a Set, and whether it must be looked at again though nothing changes. */
function settle(state: PlannerState, input: PlanInput, work: SetWork): void {
  const { name } = work.draft;
  const quiet = !work.unsettled && !work.lingering && work.events.length === 0;
  const slots = work.changes.length;
  const result = {
    name,
    changes: work.changes,
    events: work.events,
    problems: problemsOf(work),
    wakeAtMs: work.wakeInMs === null ? null : input.nowMs + work.wakeInMs,
    unchanged: work.changes.every((change) => change.kind === "keep") && !work.hopeful ? slots : 0,
  };
  setResult(state, name, result);
  if (quiet) state.open.delete(name);
  else state.open.add(name);
  sleepUntil(state, name, quiet ? result.wakeAtMs : null);
}

/** Exchanges what is known to come of a Set, and keeps the totals right. */
function setResult(state: PlannerState, name: string, result: SetResult): void {
  dropResult(state, name);
  state.sets.get(name)!.result = result;
  state.unchanged += result.unchanged;
  if (result.problems.length > 0) state.problems.set(name, result.problems);
}

function dropResult(state: PlannerState, name: string): void {
  const known = state.sets.get(name);
  if (known === undefined || known.result === null) return;
  state.unchanged -= known.result.unchanged;
  state.problems.delete(name);
  known.result = null;
}

/** A Set that was settled wakes when it said; one that is open was worked on in this pass. */
function totalsOf(state: PlannerState, fresh: readonly SetResult[]): SetTotals {
  const open = fresh.flatMap((result) => (state.open.has(result.name) && result.wakeAtMs !== null ? [result.wakeAtMs] : []));
  return { unchanged: state.unchanged, problems: [...state.problems.values()].flat(), wakesAtMs: [...state.sleeping.values(), ...open] };
}
