import { slotKey } from "../core/ids.ts";
import type { Action, ActionKind } from "../core/plan.ts";
import type { SimHost } from "./host-state.ts";
import { DONE, refused, type Of, type Step, type Verdict } from "./step.ts";
import * as disk from "./steps-disk.ts";
import * as instance from "./steps-instance.ts";
import * as port from "./steps-port.ts";

const STEPS: { readonly [K in ActionKind]: Step<Of<K>> } = {
  pullImage: { engine: true, touches: null, check: disk.checkPull, finish: disk.finishPull },
  createVolume: { engine: false, touches: "volume", check: disk.checkCreateVolume, finish: disk.finishCreateVolume },
  growVolume: { engine: false, touches: "volume", check: disk.checkGrowVolume, finish: disk.finishGrowVolume },
  attachPort: { engine: false, touches: "port", check: port.checkAttach, finish: port.finishAttach },
  startInstance: {
    engine: true,
    touches: "container",
    check: instance.checkStart,
    begin: instance.beginStart,
    finish: instance.finishStart,
  },
  awaitHealthy: { engine: false, touches: "container", check: instance.checkHealthy, finish: () => DONE },
  updateLive: { engine: true, touches: "container", check: instance.checkUpdate, finish: instance.finishUpdate },
  replaceContainers: {
    engine: true,
    touches: "container",
    check: instance.checkReplace,
    begin: instance.beginReplace,
    finish: instance.finishReplace,
  },
  stopInstance: { engine: true, touches: "container", check: instance.checkStop, finish: instance.finishStop },
  removeInstance: { engine: true, touches: "container", check: () => null, finish: instance.finishRemove },
  confirmGone: { engine: true, touches: null, check: instance.checkGone, finish: () => DONE },
  detachPort: { engine: false, touches: "port", check: port.checkDetach, finish: port.finishDetach },
  trashVolume: { engine: false, touches: "volume", check: disk.checkTrash, finish: disk.finishTrash },
  restoreVolume: { engine: false, touches: "volume", check: disk.checkRestore, finish: disk.finishRestore },
  purgeVolume: { engine: false, touches: null, check: disk.checkPurge, finish: disk.finishPurge },
};

const CHECKED = new Map<ActionKind, Step<Action>>(
  Object.entries(STEPS).map(([kind, step]) => [kind as ActionKind, withCommonChecks(step as Step<Action>)]),
);

/** The step for an action, with the checks common to all kinds before its own. */
export function stepFor(action: Action): Step<Action> {
  return CHECKED.get(action.kind)!;
}

function withCommonChecks(step: Step<Action>): Step<Action> {
  const check: Step<Action>["check"] = (host, action, conditions) =>
    refuseForeign(host, action, step) ?? step.check(host, action, conditions);
  return {
    ...step,
    check,
    finish: (host, action, conditions) => check(host, action, conditions) ?? step.finish(host, action, conditions),
  };
}

function refuseForeign(host: SimHost, action: Action, step: Step<Action>): Verdict | null {
  const key = slotKey(action.set, action.index);
  if (step.touches === null || !host.foreign.has(`${step.touches}:${key}`)) return null;
  return refused("not-ours", `the ${step.touches} of ${key} on ${host.name} belongs to someone else`, "permanent");
}
