import { UserError } from "./errors/user-error.ts";
import type { Failure, Hold, HostMemory, Memory, Purge, Restore, RunningAction, SetMemory, SlotMemory } from "./memory.ts";

const VERSION = 2;

/** Version 1 knew of no restores and purges. */
const READABLE: readonly unknown[] = [1, VERSION];

/** Memory as JSON holds it: maps and sets are arrays of entries, in insertion order. */
export interface SerializedMemory extends Pick<Memory, "sequence" | "plans" | "revision" | "rejected"> {
  readonly version: number;
  readonly sets: readonly (readonly [string, SerializedSet])[];
  readonly hosts: readonly (readonly [string, HostMemory])[];
  readonly holds: readonly (readonly [string, Hold])[];
  readonly confirmed: readonly (readonly [string, number])[];
  readonly restores?: readonly (readonly [string, Restore])[];
  readonly purges?: readonly (readonly [string, Purge])[];
  readonly uninventoried: readonly string[] | null;
  readonly running: readonly (readonly [string, RunningAction])[];
}

interface SerializedSet extends Pick<SetMemory, "task" | "taskCount" | "count"> {
  readonly slots: readonly (readonly [number, SlotMemory])[];
  readonly generations: readonly (readonly [number, number])[];
  readonly failures: readonly (readonly [number, Failure])[];
}

/** A JSON-safe copy that later folds leave alone; for snapshots and saved plan inputs. */
export function serializeMemory(memory: Memory): SerializedMemory {
  const { sequence, plans, revision, rejected } = memory;
  return {
    version: VERSION,
    sequence,
    plans,
    revision,
    rejected,
    sets: Array.from(memory.sets, ([name, set]) => [name, serializeSet(set)] as const),
    hosts: [...memory.hosts],
    holds: [...memory.holds],
    confirmed: [...memory.confirmed],
    restores: [...memory.restores],
    purges: [...memory.purges],
    uninventoried: memory.uninventoried === null ? null : [...memory.uninventoried],
    running: [...memory.running],
  };
}

/** Inverse of serializeMemory, also after a trip through JSON. Throws a UserError on another version's text. */
export function parseMemory(value: unknown): Memory {
  const saved = value as SerializedMemory | null;
  if (saved === null || typeof saved !== "object" || !READABLE.includes(saved.version)) {
    throw new UserError(
      "memory-version",
      `saved memory is of version ${String(saved?.version)}; this Setpoint reads versions ${READABLE.join(" and ")}`,
      "use the Setpoint that wrote it",
    );
  }
  const { sequence, plans, revision, rejected } = saved;
  return {
    sequence,
    plans,
    revision,
    rejected,
    sets: new Map(saved.sets.map(([name, set]) => [name, parseSet(set)])),
    hosts: new Map(saved.hosts),
    holds: new Map(saved.holds),
    confirmed: new Map(saved.confirmed),
    restores: new Map(saved.restores),
    purges: new Map(saved.purges),
    uninventoried: saved.uninventoried === null ? null : new Set(saved.uninventoried),
    running: new Map(saved.running),
  };
}

function serializeSet(set: SetMemory): SerializedSet {
  const { task, taskCount, count } = set;
  return { task, taskCount, count, slots: [...set.slots], generations: [...set.generations], failures: [...set.failures] };
}

function parseSet(set: SerializedSet): SetMemory {
  const { task, taskCount, count } = set;
  return {
    task,
    taskCount,
    count,
    slots: new Map(set.slots),
    generations: new Map(set.generations),
    failures: new Map(set.failures),
  };
}
