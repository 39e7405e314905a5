import { slotKey } from "../../core/ids.ts";
import type { Action, Plan, PlanInput } from "../../core/plan.ts";
import type { FleetReading } from "./facts.ts";
import { isReplaced } from "./restores.ts";
import type { Violation } from "./violation.ts";
import { isAfter } from "./graph.ts";

/** docs/SAFETY.md 10: network and volumes before the app containers; nothing released before the containers were seen gone. */
export function checkOrder(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const violations: Violation[] = [];
  for (const action of plan.actions) {
    if (action.kind === "startInstance") violations.push(...checkReady(input, plan, action));
    if (action.kind === "detachPort" || action.kind === "trashVolume") violations.push(...checkReleased(input, plan, action, facts));
  }
  return violations;
}

function checkReady(input: PlanInput, plan: Plan, start: Extract<Action, { kind: "startInstance" }>): Violation[] {
  const violations: Violation[] = [];
  const key = slotKey(start.set, start.index);
  const here = (before: Action): boolean => before.host === start.host && before.set === start.set && before.index === start.index;
  if (!isAfter(plan, start, (before) => before.kind === "attachPort" && here(before) && before.generation === start.generation)) {
    violations.push({ code: "order", text: `${key} starts on ${start.host} before its port is attached` });
  }
  const volumes = input.fleet.get(start.host)?.observation?.volumes ?? [];
  for (const { name, kind } of start.spec.template.volumes) {
    if (kind !== "lvm" && kind !== "dir") continue;
    const exists = volumes.some(
      (volume) => volume.set === start.set && volume.index === start.index && volume.name === name && volume.kind === kind,
    );
    const made = isAfter(
      plan,
      start,
      (before) => (before.kind === "createVolume" || before.kind === "restoreVolume") && here(before) && before.volume === name,
    );
    if (!exists && !made) violations.push({ code: "order", text: `${key} starts on ${start.host} before volume ${name} exists` });
  }
  return violations;
}

type Releasing = Extract<Action, { kind: "detachPort" | "trashVolume" }>;

/** A volume that its Set gave up, of a slot whose Instance is to be started behind this step and of which nothing is seen. */
function isYetToStart(input: PlanInput, plan: Plan, action: Releasing, generation: number, facts: FleetReading): boolean {
  const { kind, host, set, index } = action;
  if (kind !== "trashVolume" || !facts.isUnwanted(action) || facts.claims.after(set, index)?.generation !== generation) return false;
  const shown = input.fleet.get(host)?.observation?.instances ?? [];
  if (shown.some((other) => other.set === set && other.index === index && other.generation === generation)) return false;
  const starts = plan.actions.filter(
    (other) => other.kind === "startInstance" && other.host === host && other.set === set && other.index === index,
  );
  return starts.every((start) => isAfter(plan, start, (before) => before === action));
}

/** Each generation that was claimed or seen on the host is gone: one that is not seen may yet be on its way there. */
function checkReleased(input: PlanInput, plan: Plan, action: Releasing, facts: FleetReading): Violation[] {
  const { kind, host, set, index } = action;
  // The generation that is to start with another volume was not started yet: it would run with this one otherwise.
  const unbegun = action.kind === "trashVolume" && isReplaced(input, plan, action, facts) && !isShown(input, action);
  const here = facts.aliveOf(set, index).filter((other) => other.host === host && !(unbegun && other.generation === action.generation));
  const violations: Violation[] = [];
  for (const generation of new Set(here.map((other) => other.generation))) {
    if (facts.isProvenGone(host, set, index, generation) || isYetToStart(input, plan, action, generation, facts)) continue;
    const gone = isAfter(
      plan,
      action,
      (before) =>
        before.kind === "confirmGone" &&
        before.host === host &&
        before.set === set &&
        before.index === index &&
        before.generation === generation,
    );
    if (gone) continue;
    violations.push({ code: "order", text: `${kind} of ${slotKey(set, index)} on ${host} before generation ${generation} was seen gone` });
  }
  return violations;
}

/** The host shows an Instance of the step's own generation. */
function isShown(input: PlanInput, { host, set, index, generation }: Action): boolean {
  const shown = input.fleet.get(host)?.observation?.instances ?? [];
  return shown.some((other) => other.set === set && other.index === index && other.generation === generation);
}
