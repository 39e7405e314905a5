import { UserError } from "../../core/errors/user-error.ts";
import type { ActionResult } from "../../core/agent-wire.ts";
import type { Capability } from "../../core/desired.ts";
import type { Action, ActionKind } from "../../core/plan.ts";
import { slotKey } from "../../core/ids.ts";
import type { HostCore } from "../host-core.ts";
import { instanceName } from "../instance-key.ts";
import { StepError } from "../ports.ts";

/** How a step ended, before it is known in which report that shows. */
export type Verdict = Pick<ActionResult, "outcome" | "code" | "message" | "retry">;

export type Of<Kind extends ActionKind> = Extract<Action, { readonly kind: Kind }>;

export const DONE: Verdict = { outcome: "done", code: "", message: "", retry: "transient" };

/** Nothing was tried. */
export function refused(code: string, message: string, retry: ActionResult["retry"] = "transient"): Verdict {
  return { outcome: "refused", code, message, retry };
}

/** It was tried. */
export function failed(code: string, message: string, retry: ActionResult["retry"] = "transient"): Verdict {
  return { outcome: "failed", code, message, retry };
}

/** What a person has to know of something thrown: a StepError as it is, anything else as `unexpected`. */
export function verdictOf(error: unknown): Verdict {
  if (error instanceof StepError) return { outcome: error.outcome, code: error.code, message: error.message, retry: error.retry };
  if (error instanceof UserError) return failed(error.code, error.message);
  return failed("step-trouble", error instanceof Error ? error.message : String(error));
}

export function refuseStale(core: HostCore, action: Action): Verdict | null {
  const floor = core.state.floorOf(action.set, action.index);
  if (action.generation >= floor) return null;
  const key = slotKey(action.set, action.index);
  return refused(
    "stale-generation",
    `generation ${action.generation} of ${key} is over, ${core.host} accepts ${floor} and up`,
    "permanent",
  );
}

/** `docker` comes with why it does not answer. */
export function refuseIncapable(core: HostCore, driver: Capability): Verdict | null {
  if (core.capabilities.includes(driver)) return null;
  const why = driver === "docker" && core.picture.engineProblem !== null ? `: ${core.picture.engineProblem}` : "";
  return refused("no-capability", `${core.host} has no working ${driver}${why}`);
}

/** As refuseIncapable, unless the pool takes hosts that can't enforce a limit. */
export function refuseUnenforced(core: HostCore, driver: Capability, wanted: boolean): Verdict | null {
  return wanted && core.settings?.limits !== "best-effort" ? refuseIncapable(core, driver) : null;
}

export function missing(core: HostCore, action: Action): Verdict {
  return refused("not-found", `${core.host} has no ${instanceName(action)}`);
}
