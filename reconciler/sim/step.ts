import { slotKey } from "../core/ids.ts";
import type { Action, ActionKind } from "../core/plan.ts";
import type { ActionResult } from "../core/agent-wire.ts";
import { floorOf, instanceOf, type ForeignObject, type SimHost, type SimInstance } from "./host-state.ts";

/**
 * The steps a host can take, as a strict agent would: `check` refuses or finds the work already done, `finish`
 * changes the host at once and may be run any number of times.
 */
export interface Step<A extends Action> {
  /** Whether the container engine is needed: such a step waits while it hangs. */
  readonly engine: boolean;
  /** What foreign object of the slot's own name would stand in the way. */
  readonly touches: ForeignObject["kind"] | null;
  /** null: there is work to do. */
  check(host: SimHost, action: A, conditions: Conditions): Verdict | null;
  /** What is visible on the host while the work goes on. */
  begin?(host: SimHost, action: A, conditions: Conditions): void;
  finish(host: SimHost, action: A, conditions: Conditions): Verdict;
}

/** Circumstances of a step beside the host's own state. */
export interface Conditions {
  /** False when the host's lease is over: Instances that must not run twice may not start. */
  readonly leased: boolean;
  /** A fault: no room is left for images and volumes. */
  readonly diskFull: boolean;
  /** Share (0..1) of its request an Instance will use. */
  readonly memoryUse: number;
}

export type Verdict = Pick<ActionResult, "outcome" | "code" | "message" | "retry">;

export const DONE: Verdict = { outcome: "done", code: "", message: "", retry: "transient" };

export type Of<K extends ActionKind> = Extract<Action, { readonly kind: K }>;

export function refused(code: string, message: string, retry: ActionResult["retry"] = "transient"): Verdict {
  return { outcome: "refused", code, message, retry };
}

export function failed(code: string, message: string, retry: ActionResult["retry"] = "transient"): Verdict {
  return { outcome: "failed", code, message, retry };
}

export function refuseStale(host: SimHost, action: Action): Verdict | null {
  const key = slotKey(action.set, action.index);
  const floor = floorOf(host, key);
  if (action.generation >= floor) return null;
  return refused(
    "stale-generation",
    `generation ${action.generation} of ${key} is over, ${host.name} accepts ${floor} and up`,
    "permanent",
  );
}

export function refuseIncapable(host: SimHost, driver: "docker" | "lvm" | "ovs" | "tc"): Verdict | null {
  if (host.capabilities.has(driver)) return null;
  return refused("no-capability", `${host.name} has no working ${driver}`);
}

export function find(host: SimHost, action: Action): SimInstance | null {
  return instanceOf(host, action.set, action.index, action.generation);
}

export function missing(host: SimHost, action: Action): Verdict {
  return refused("not-found", `${host.name} has no generation ${action.generation} of ${slotKey(action.set, action.index)}`);
}
