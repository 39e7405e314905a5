import type { ActionResult, ApplyRequest } from "../core/agent-wire.ts";
import type { JournalEvent } from "../core/events.ts";
import type { HostSettings } from "../core/host-settings.ts";
import type { Memory } from "../core/memory.ts";
import type { HostObservation } from "../core/observation.ts";
import type { Manifests, ManifestProblem } from "../core/manifests.ts";

/** Time, passed in so that the simulation can own it. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  now(): number;
  /** Never jumps, never goes back; milliseconds from an arbitrary start. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** All hosts of the fleet, behind agents. Implemented by sim/ and io/hosts. */
export interface Hosts {
  /**
   * Follow exactly these hosts from now on (idempotent; called again when the list changes). The listener hears
   * every full observation, every sign of life between them, and every loss with its reason.
   */
  follow(hosts: readonly FollowedHost[], listener: HostsListener): void;
  /** A full observation made after this call. Rejects with a HostError, or when aborted. */
  observe(host: string, signal: AbortSignal): Promise<HostObservation>;
  /**
   * Steps for one host; they run side by side there. Yields one result per action as they come; ends or throws a HostError when the
   * reply is lost: actions without a result are then in doubt and may still run later.
   */
  apply(host: string, request: ApplyRequest, signal: AbortSignal): AsyncIterable<ActionResult>;
  close(): Promise<void>;
}

/** A host to be followed. */
export interface FollowedHost {
  readonly name: string;
  /** What core/agent-address.ts parses. */
  readonly agent: string;
  /** The same object as long as nothing in it changed. */
  readonly settings: HostSettings;
}

export interface HostsListener {
  observed(host: string, observation: HostObservation): void;
  heard(host: string): void;
  lost(host: string, problem: string): void;
}

/** A host that could not be reached or did not answer. */
export class HostError extends Error {
  override readonly name = "HostError";
}

/** The append-only journal. Synchronous: when append returns, the events survive a crash. */
export interface Journal {
  /** Everything since the newest snapshot, in order, with that snapshot's Memory (null: none yet). */
  load(): { readonly memory: Memory | null; readonly events: readonly JournalEvent[] };
  append(events: readonly JournalEvent[]): void;
  /** Store the folded Memory; older events may be dropped once no trace needs them. */
  snapshot(memory: Memory): void;
  /** Events of one Task, in order; for `trace`. */
  eventsOfTask(taskId: string): readonly JournalEvent[];
  /** Openings of the newest Tasks, newest first, then the closings of those that are over; for `trace` without an id. */
  recentTasks(limit: number): readonly JournalEvent[];
  /** Newest events about one Set, oldest of them first; for `explain`. */
  eventsOfSet(set: string, limit: number): readonly JournalEvent[];
  close(): void;
}

/** Where manifests come from: a git branch or a plain folder. */
export interface Source {
  /** Newest state of the source, loaded and schema-checked. Never throws for a user's mistake. */
  read(signal: AbortSignal): Promise<SourceReading>;
  /**
   * The state of a commit that was accepted before: after a restart the last good Revision runs on although the head is not
   * valid or can't be read. Absent where old states are not kept (a plain folder).
   */
  readCommit?(commit: string, signal: AbortSignal): Promise<SourceReading>;
  /** Calls back when a read may give something new; level-triggered, may be spurious. */
  watch(onChange: () => void): void;
  close(): Promise<void>;
}

export type SourceReading =
  | {
      readonly kind: "loaded";
      readonly manifests: Manifests;
      /** What people should know although the commit is valid: a submodule, a skipped link. */
      readonly warnings?: readonly ManifestProblem[];
      /** The commit read before, when it is not in this one's history: the branch was rewritten. */
      readonly rewrittenFrom?: string;
    }
  /** The commit was read but is not valid: the last good one stays. */
  | {
      readonly kind: "invalid";
      readonly commit: string;
      readonly problems: readonly ManifestProblem[];
      readonly rewrittenFrom?: string;
    }
  /** Nothing could be read: remote down, branch deleted, object corrupt. */
  | { readonly kind: "failed"; readonly code: string; readonly why: string; readonly hint?: string };

/** Where to write lines for operators: a sentence and the fields that go with it. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}
