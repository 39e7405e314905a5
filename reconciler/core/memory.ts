import type { Resources } from "./resources.ts";
import type { HostState } from "./desired.ts";

/**
 * Memory: what the journal folds to (run/fold.ts). Holds only what can't be read back from a host or from git.
 * Maps are updated in place by the fold; an entry that changed is replaced by a new object, so that
 * `memory.sets.get(name) === before` means "nothing about this Set changed".
 */
export interface Memory {
  /** Number of the last event folded in; 0 for none. */
  readonly sequence: number;
  /** Passes that started a plan; part of every action id. */
  readonly plans: number;
  /** The newest fully valid revision that was accepted; null before the first. */
  readonly revision: { readonly commit: string; readonly atMs: number } | null;
  /** Why the head is not what runs; null while head = last good and the last fetch worked. */
  readonly rejected: RejectedHead | null;
  readonly sets: ReadonlyMap<string, SetMemory>;
  readonly hosts: ReadonlyMap<string, HostMemory>;
  /** By `set/NAME`, `host/NAME` or `pool/NAME`. */
  readonly holds: ReadonlyMap<string, Hold>;
  /** Hashes of held destroys a person confirmed, with when. */
  readonly confirmed: ReadonlyMap<string, number>;
  /** What operators want back from the trash, by trashKey; until it is there, or they say otherwise. */
  readonly restores: ReadonlyMap<string, Restore>;
  /** What operators want destroyed before its time, by trashKey; until it is gone. */
  readonly purges: ReadonlyMap<string, Purge>;
  /**
   * Hosts that existed when this journal was created and were not seen since: an Instance may run there that
   * the journal does not know. null until the first revision was accepted.
   */
  readonly uninventoried: ReadonlySet<string> | null;
  /** Actions started and not ended: after a crash each is in doubt. By action id. */
  readonly running: ReadonlyMap<string, RunningAction>;
}

export interface RejectedHead {
  /** null: the source could not be read at all. */
  readonly commit: string | null;
  readonly atMs: number;
  readonly why: string;
}

export interface SetMemory {
  readonly slots: ReadonlyMap<number, SlotMemory>;
  /** Highest generation ever used, per slot index; survives the slot. */
  readonly generations: ReadonlyMap<number, number>;
  /** Failures in a row per slot index; gone after a success. */
  readonly failures: ReadonlyMap<number, Failure>;
  /** The piece of work under way; null when settled. */
  readonly task: OpenTask | null;
  readonly taskCount: number;
  /** Last target count decided for an elastic Set. */
  readonly count: number | null;
}

/** A slot's claims on hosts. At least one of `current` and `former` is there. */
export interface SlotMemory {
  readonly current: Claim | null;
  /** Earlier generations not yet observed gone: they still hold capacity, IP and volumes. Ascending generation. */
  readonly former: readonly Claim[];
}

export interface Claim {
  readonly generation: number;
  readonly host: string;
  readonly ip: string | null;
  readonly resources: Resources;
  readonly hostPorts: readonly number[];
  readonly exclusive: boolean;
  readonly core: boolean;
  readonly taskId: string;
  /** The Decision that chose the host, as a sentence. */
  readonly why: string;
  /** Keys of restores for which the slot's present volumes go to the trash before this generation starts. Absent: none. */
  readonly restores?: readonly string[];
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  /** Failures in a row that tell of the object itself; lost replies and deadlines (`unknown`) add nothing here. */
  readonly count: number;
  /** All tries in a row, lost replies included; drives the backoff. */
  readonly tries: number;
  readonly lastAtMs: number;
  /** Spec hash the failures belong to; another hash starts the count anew. */
  readonly input: string;
  /** Hosts on which it failed; sorted. */
  readonly hosts: readonly string[];
  /** The generation that failed last. */
  readonly generation: number;
}

export interface OpenTask {
  readonly taskId: string;
  readonly trigger: TaskTrigger;
  readonly commit: string;
  /** Hash of what the Set should become; another goal supersedes the Task. */
  readonly goal: string;
  readonly openedAtMs: number;
}

export type TaskTrigger = "create" | "rollout" | "scale" | "heal" | "move" | "remove" | "update" | "restore";

/** How a Task can end. */
export type TaskVerdict = "Succeeded" | "RolledBack" | "Failed" | "Superseded" | "Held";

export interface HostMemory {
  /** An operator's word over the manifest's state; null: the manifest decides. */
  readonly state: HostState | null;
  /** An operator's word that the machine is off or wiped; cleared when its agent speaks again. */
  readonly confirmedDeadAtMs: number | null;
  readonly who: string;
  readonly why: string;
}

export interface Hold {
  readonly scope: "set" | "host" | "pool";
  readonly name: string;
  readonly who: string;
  readonly why: string;
  readonly sinceMs: number;
  /** null: until released. */
  readonly untilMs: number | null;
}

/** One entry of a host's trash; the time tells it from another that has its id later. */
export interface TrashEntry {
  readonly host: string;
  readonly trashId: string;
  readonly trashedAtMs: number;
  readonly kind: "lvm" | "dir";
}

/** A volume by the name it has in its slot. */
export interface VolumePlace {
  readonly set: string;
  readonly index: number;
  readonly volume: string;
}

/** An operator's wish to have a volume back. */
export interface RestoreWish extends TrashEntry {
  /** What it was when it went to the trash. */
  readonly from: VolumePlace;
  readonly to: VolumePlace;
  /** The volume the slot has now may go to the trash for it. */
  readonly replace: boolean;
  readonly who: string;
  readonly why: string;
  readonly sinceMs: number;
}

export interface Restore extends RestoreWish {
  /** A step that restores it was sent: a volume of that name in the slot is this one, once the entry is gone. */
  readonly begun: boolean;
  /** When its entry was found gone and the slot without it; the wish is kept to be seen, and does nothing more. null: it is open. */
  readonly lostAtMs: number | null;
}

/** An operator's word that an entry of the trash may be destroyed before it expires. */
export interface Purge extends TrashEntry {
  readonly who: string;
  readonly why: string;
  readonly sinceMs: number;
}

export interface RunningAction {
  readonly id: string;
  readonly kind: string;
  readonly host: string;
  readonly set: string;
  readonly index: number;
  readonly generation: number;
  readonly taskId: string;
  readonly startedAtMs: number;
}
