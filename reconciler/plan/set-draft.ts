import { slotKey } from "../core/ids.ts";
import type { DesiredSet } from "../core/desired.ts";
import type { EventBody } from "../core/events.ts";
import type { SetMemory } from "../core/memory.ts";
import type { PlanInput } from "../core/plan.ts";
import { targetCount, type TargetCount } from "./desired/count.ts";
import { assess } from "./diff/assess.ts";
import type { AssessContext, Assessment } from "./diff/assessment.ts";
import type { SlotFacts } from "./diff/slot-facts.ts";
import { holdOf, type HostStatus } from "./fleet/host-status.ts";
import { wishesOfSlots, type Wish } from "./restore/wishes.ts";

/** One Set's wishes in this pass, before budget, room and rollout have their say. */
export interface SetDraft {
  readonly name: string;
  readonly set: DesiredSet | null;
  readonly memory: SetMemory | null;
  /** null for a Set that is not in the manifests. */
  readonly target: TargetCount | null;
  /** Slots wanted: 0..total-1. */
  readonly total: number;
  readonly facts: ReadonlyMap<number, SlotFacts>;
  readonly adoptions: readonly EventBody[];
  /** Every slot that is wanted or known, ascending. */
  readonly assessments: ReadonlyMap<number, Assessment>;
  readonly context: AssessContext;
}

/** The fleet as the assessments of all Sets see it. */
export interface FleetFacts {
  readonly input: PlanInput;
  hostOf(name: string): HostStatus;
  /** Lowest generation the host accepts for the slot. */
  floorOf(host: string, set: string, index: number): number;
  /** Another slot that holds the address; null: none does. */
  otherHolder(ip: string, slot: string): string | null;
  /** Zones the Set may use, by the manifests alone: a zone that is down still counts. */
  zonesOf(set: DesiredSet): number;
  /** Restores into slots of the Set that are open. */
  wishesOf(set: string): readonly Wish[];
  /** Hosts not seen since the journal was created, of these pools or (null) of all. */
  uninventoried(pools: readonly string[] | null): string | null;
}

/** What every slot of the Set wants. */
export function draftSet(
  fleet: FleetFacts,
  name: string,
  set: DesiredSet | null,
  memory: SetMemory | null,
  known: { readonly facts: ReadonlyMap<number, SlotFacts>; readonly adoptions: readonly EventBody[] },
): SetDraft {
  const { input } = fleet;
  const target = set === null ? null : targetCount(set, memory?.count ?? null, input.nowMs, fleet.zonesOf(set));
  const total = target === null ? 0 : target.count + target.spare;
  const context: AssessContext = {
    nowMs: input.nowMs,
    name,
    set,
    memory,
    held: heldReason(input, name, set),
    frozen: input.destroysFrozen,
    busy: input.busy,
    restores: wishesOfSlots(fleet.wishesOf(name), set, total),
    // What must not run twice may have lived in other pools under an earlier commit.
    uninventoried: set === null ? null : fleet.uninventoried(set.exclusive ? null : set.pools),
    hostOf: (host) => fleet.hostOf(host),
    floorOf: (host, index) => fleet.floorOf(host, name, index),
    otherHolder: (ip, index) => fleet.otherHolder(ip, slotKey(name, index)),
  };
  const assessments = new Map<number, Assessment>();
  for (const index of indicesOf(total, known.facts)) {
    const facts = known.facts.get(index) ?? { index, current: null, former: [], seen: [], highest: memory?.generations.get(index) ?? 0 };
    assessments.set(index, assess(context, facts, index < total));
  }
  return { name, set, memory, target, total, ...known, assessments, context };
}

function heldReason(input: PlanInput, name: string, set: DesiredSet | null): string | null {
  const pools = set?.pools ?? [];
  return holdOf(input, "set", name) ?? pools.map((pool) => holdOf(input, "pool", pool)).find((held) => held !== null) ?? null;
}

function indicesOf(total: number, facts: ReadonlyMap<number, SlotFacts>): number[] {
  const indices = Array.from({ length: total }, (_, index) => index);
  const extra = [...facts.keys()].filter((index) => index >= total).sort((a, b) => a - b);
  return [...indices, ...extra];
}

/** The facts of a slot; those of a slot nobody knows yet are empty. */
export function factsOf(draft: SetDraft, index: number): SlotFacts {
  const known = draft.facts.get(index);
  return known ?? { index, current: null, former: [], seen: [], highest: draft.memory?.generations.get(index) ?? 0 };
}
