import type { DesiredSet } from "../../core/desired.ts";
import type { SetMemory } from "../../core/memory.ts";
import type { Decision } from "../../core/plan.ts";
import type { HostStatus } from "../fleet/host-status.ts";
import type { Wish } from "../restore/wishes.ts";
import type { Difference } from "./differences.ts";

/** What one slot wants, before it is known whether the fleet has room and the rollout its turn. */
export type Assessment =
  | { readonly kind: "keep"; readonly settles: boolean; readonly wakeInMs: number | null; readonly decision: Decision }
  /** A step is under way; the next pass sees its effect. */
  | { readonly kind: "busy"; readonly decision: Decision }
  /** Wants a change and can't have it now. */
  | { readonly kind: "wait"; readonly wakeInMs: number | null; readonly decision: Decision }
  /** Needs a host; `pinned`: only this one will do. */
  | {
      readonly kind: "place";
      readonly cause: "create" | "move";
      readonly pinned: string | null;
      readonly avoid: readonly string[];
      readonly disruptive: boolean;
      /** For which it is placed on `pinned`: these volumes come back from the trash there, in place of those it has. */
      readonly restores: readonly Wish[];
      readonly decision: Decision;
    }
  /** Same host, same generation: start it, wait for its health, or recreate its app containers. */
  | { readonly kind: "restart"; readonly how: "start" | "await" | "recreate"; readonly crash: string | null; readonly decision: Decision }
  | {
      readonly kind: "replace";
      readonly difference: Difference;
      readonly disruptive: boolean;
      readonly what: string;
      readonly decision: Decision;
    }
  | { readonly kind: "update"; readonly what: string; readonly decision: Decision }
  | { readonly kind: "retire"; readonly decision: Decision };

/** What an assessment looks at besides the slot itself. */
export interface AssessContext {
  readonly nowMs: number;
  readonly name: string;
  readonly set: DesiredSet | null;
  readonly memory: SetMemory | null;
  /** Why the whole Set stands still; null when it doesn't. */
  readonly held: string | null;
  /** Why nothing may be destroyed in this pass; null when it may. */
  readonly frozen: string | null;
  readonly busy: ReadonlySet<string>;
  /** What is to come back from the trash, by slot; those of one slot from one host. */
  readonly restores: ReadonlyMap<number, readonly Wish[]>;
  /** Why a slot nobody knows of may yet be running somewhere; null when every host was seen. */
  readonly uninventoried: string | null;
  hostOf(name: string): HostStatus;
  floorOf(host: string, index: number): number;
  /** Another slot that holds the address, after journals were lost; null: none does. */
  otherHolder(ip: string, index: number): string | null;
}
