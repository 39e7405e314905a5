import type { HostState } from "./desired.ts";
import type { Claim, Hold, Purge, RestoreWish, TaskTrigger, TaskVerdict } from "./memory.ts";

/**
 * The journal's append-only events. Written before the effect they announce (intent) or after the fact they
 * report; Memory is folded from them (run/fold.ts), which refuses an illegal transition.
 */
export type JournalEvent = { readonly atMs: number } & EventBody;

export type EventBody =
  | { readonly type: "revision.accepted"; readonly commit: string; readonly hosts: readonly string[] }
  | { readonly type: "revision.rejected"; readonly commit: string | null; readonly why: string }
  | { readonly type: "host.inventoried"; readonly hosts: readonly string[] }
  | { readonly type: "plan.started"; readonly hash: string; readonly commit: string; readonly changes: number; readonly actions: number }
  | {
      readonly type: "task.opened";
      readonly set: string;
      readonly taskId: string;
      readonly trigger: TaskTrigger;
      readonly commit: string;
      readonly goal: string;
    }
  | { readonly type: "task.closed"; readonly set: string; readonly taskId: string; readonly verdict: TaskVerdict; readonly why: string }
  /** A new current claim; the one before becomes former. */
  | { readonly type: "slot.placed"; readonly set: string; readonly index: number; readonly claim: Claim }
  /** An Instance found on a host that the journal did not know: claim it, as current or former by generation. */
  | { readonly type: "slot.adopted"; readonly set: string; readonly index: number; readonly claim: Claim }
  /** The current claim's resources, ports or reason changed in place (same host, same generation). */
  | { readonly type: "slot.resized"; readonly set: string; readonly index: number; readonly claim: Claim }
  /** The current claim is no longer wanted and becomes former. */
  | { readonly type: "slot.retired"; readonly set: string; readonly index: number; readonly generation: number }
  /** A former claim was observed gone (or its host was confirmed dead): capacity and IP are free again. */
  | { readonly type: "slot.cleared"; readonly set: string; readonly index: number; readonly generation: number }
  | { readonly type: "set.counted"; readonly set: string; readonly count: number; readonly why: string }
  | {
      readonly type: "action.started";
      readonly id: string;
      readonly kind: string;
      readonly host: string;
      readonly set: string;
      readonly index: number;
      readonly generation: number;
      readonly taskId: string;
    }
  | {
      readonly type: "action.ended";
      readonly id: string;
      readonly outcome: "done" | "failed" | "refused" | "unknown";
      /** Error code; empty when done. */
      readonly code: string;
      readonly message: string;
      /** Spec hash the step was for; what a Failure is counted against. */
      readonly input: string;
    }
  /** An Instance that had started was seen dead or unhealthy and is being healed: counts as a failure (`unknown` outcomes do not). */
  | {
      readonly type: "slot.crashed";
      readonly set: string;
      readonly index: number;
      readonly host: string;
      readonly code: string;
      readonly message: string;
      readonly input: string;
    }
  /** The slot is up to date and healthy: its failures are forgotten. */
  | { readonly type: "slot.settled"; readonly set: string; readonly index: number }
  | { readonly type: "hold.placed"; readonly hold: Hold }
  | { readonly type: "hold.released"; readonly scope: Hold["scope"]; readonly name: string; readonly who: string }
  | { readonly type: "host.state"; readonly host: string; readonly state: HostState | null; readonly who: string; readonly why: string }
  | { readonly type: "host.dead"; readonly host: string; readonly who: string; readonly why: string }
  | { readonly type: "host.returned"; readonly host: string }
  | { readonly type: "destroys.confirmed"; readonly hash: string; readonly who: string }
  /** The target slot's failures are forgotten: with other data it may do better. */
  | { readonly type: "restore.asked"; readonly restore: RestoreWish }
  | { readonly type: "restore.cancelled"; readonly host: string; readonly trashId: string; readonly who: string; readonly why: string }
  /** `done`: the entry is gone and the slot has the volume. `vanished`: the entry is gone, and not by this restore. */
  | {
      readonly type: "restore.ended";
      readonly host: string;
      readonly trashId: string;
      readonly set: string;
      readonly index: number;
      readonly outcome: "done" | "vanished";
    }
  | { readonly type: "purge.asked"; readonly purge: Purge }
  /** The entry is gone. */
  | { readonly type: "purge.ended"; readonly host: string; readonly trashId: string };

export type EventType = EventBody["type"];
