import type { CountRule, DesiredSet } from "../../core/desired.ts";
import { windowState } from "./schedule.ts";

export interface TargetCount {
  /** Instances wished for. */
  readonly count: number;
  /** More of them, so that `count` still stand after the loss of any one zone. */
  readonly spare: number;
  /** Where `count` comes from, as a sentence without a full stop. */
  readonly why: string;
  /** Why the zone promise can't be kept; null: it can, or none was made. */
  readonly shortfall: string | null;
  /** When a schedule window opens or closes next; null: never. */
  readonly nextChangeMs: number | null;
}

/**
 * How many Instances a Set should have at `nowMs`. `memoryCount` is the count decided last for an elastic Set (null: none
 * yet); `usableZones` is the number of zones its Instances can go to.
 */
export function targetCount(
  set: Pick<DesiredSet, "count" | "placement">,
  memoryCount: number | null,
  nowMs: number,
  usableZones: number,
): TargetCount {
  const wish = set.count.kind === "fixed" ? fixedWish(set.count.replicas) : elasticWish(set.count, memoryCount, nowMs);
  const promise = set.placement.zonesSurvive > 0 ? surviveOneZone(wish.count, usableZones) : { spare: 0, shortfall: null };
  return { ...wish, ...promise };
}

/** The most a Set can ever ask for, spare Instances included. */
export function greatestTotal({ count, placement }: Pick<DesiredSet, "count" | "placement">, usableZones: number): number {
  const most = count.kind === "fixed" ? count.replicas : count.max;
  return most + (placement.zonesSurvive > 0 ? surviveOneZone(most, usableZones).spare : 0);
}

type Wish = Pick<TargetCount, "count" | "why" | "nextChangeMs">;

function fixedWish(replicas: number): Wish {
  return { count: replicas, why: `replicas ${replicas}`, nextChangeMs: null };
}

/**
 * With schedules the count is the initial one, raised to every floor and cut to every ceiling that holds now; without, the
 * count decided last stays. min and max always win, and a ceiling wins over a floor.
 */
function elasticWish(rule: Extract<CountRule, { kind: "elastic" }>, memoryCount: number | null, nowMs: number): Wish {
  let { count, why } =
    memoryCount === null || rule.schedules.length > 0 ? initialCount(rule) : { count: memoryCount, why: `last count ${memoryCount}` };
  let nextChangeMs: number | null = null;
  const open = [];
  for (const schedule of rule.schedules) {
    const state = windowState(schedule, nowMs);
    nextChangeMs = Math.min(nextChangeMs ?? state.nextChangeMs, state.nextChangeMs);
    if (state.open) open.push(schedule);
  }
  for (const { name, floor } of open) {
    if (floor !== null && floor > count) [count, why] = [floor, `floor ${floor} of schedule ${name}`];
  }
  for (const { name, ceiling } of open) {
    if (ceiling !== null && ceiling < count) [count, why] = [ceiling, `ceiling ${ceiling} of schedule ${name}`];
  }
  if (count > rule.max) [count, why] = [rule.max, `max ${rule.max}, ${why}`];
  if (count < rule.min) [count, why] = [rule.min, `min ${rule.min}, ${why}`];
  return { count, why, nextChangeMs };
}

function initialCount({ initial }: { readonly initial: number }): { count: number; why: string } {
  return { count: initial, why: `initial ${initial}` };
}

/** The smallest total T over `zones` zones, spread evenly, with T - ceil(T / zones) >= count: the fullest zone may go. */
function surviveOneZone(count: number, zones: number): Pick<TargetCount, "spare" | "shortfall"> {
  if (count === 0) return { spare: 0, shortfall: null };
  if (zones < 2) {
    const usable = zones === 0 ? "none is" : "only 1 is";
    return { spare: 0, shortfall: `surviving the loss of a zone takes at least 2 usable zones; ${usable}` };
  }
  const total = Math.ceil((count * zones) / (zones - 1));
  return { spare: total - count, shortfall: null };
}
