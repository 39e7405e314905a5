import { slotKey, trashKey } from "../../core/ids.ts";
import type { Restore } from "../../core/memory.ts";
import type { Action, Plan, PlanInput } from "../../core/plan.ts";
import type { Alive, FleetReading } from "./facts.ts";
import { isAfter } from "./graph.ts";
import { mayRunBeside } from "./starts.ts";
import type { Violation } from "./violation.ts";

type RestoreStep = Extract<Action, { kind: "restoreVolume" }>;

/** docs/SAFETY.md 1, 5 and 10: data comes back only where a person asked for it, beside no other of that name, and under no Instance that runs. */
export function checkRestores(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const violations: Violation[] = [];
  for (const action of plan.actions) {
    if (action.kind === "restoreVolume") violations.push(...checkRestore(input, plan, action, facts));
    if (action.kind === "createVolume") violations.push(...checkCreate(input, action));
  }
  return violations;
}

function checkRestore(input: PlanInput, plan: Plan, action: RestoreStep, facts: FleetReading): Violation[] {
  const what = `${action.trashId} on ${action.host} is restored into ${slotKey(action.set, action.index)}`;
  if (wishFor(input, action) === null) return [{ code: "restore", text: `${what}, which nobody asked for` }];
  const shown = input.fleet.get(action.host)?.observation;
  const entry = shown?.trash.some(({ id, trashedAtMs }) => id === action.trashId && trashedAtMs === action.trashedAtMs) ?? false;
  if (!entry) return [{ code: "restore", text: `${what}, which is not in the trash` }];
  const violations: Violation[] = [];
  const present = shown?.volumes.some((volume) => isOf(volume, action) && volume.name === action.volume) ?? false;
  const cleared = isAfter(
    plan,
    action,
    (before) => before.kind === "trashVolume" && before.volume === action.volume && isHere(before, action),
  );
  if (present && !cleared) violations.push({ code: "restore", text: `${what}, which has a volume ${action.volume}` });
  const exclusive = input.desired.sets.get(action.set)?.exclusive !== false;
  const counts = (other: Alive): boolean => exclusive || other.exclusive || other.host === action.host;
  for (const other of mayRunBeside(plan, action, counts, facts)) {
    violations.push({ code: "restore", text: `${what} while generation ${other.generation} may run on ${other.host}` });
  }
  return violations;
}

/** A new volume in the place of one that is to come back would keep it from coming. */
function checkCreate(input: PlanInput, action: Extract<Action, { kind: "createVolume" }>): Violation[] {
  const { restores } = input.memory;
  if (restores.size === 0) return [];
  const trash = input.fleet.get(action.host)?.observation?.trash ?? [];
  return trash.flatMap(({ id, trashedAtMs }) => {
    const wish = openWish(input, action.host, id, trashedAtMs);
    if (wish === null || !isOf(wish.to, action) || wish.to.volume !== action.volume) return [];
    // A Set that wants another kind of volume by now can't have it back: the wish waits.
    if (wish.kind !== (action.filesystem === null ? "dir" : "lvm")) return [];
    return [
      { code: "restore", text: `a new volume ${action.volume} of ${slotKey(action.set, action.index)} on ${action.host} instead of ${id}` },
    ];
  });
}

/** The volume that goes to the trash where its slot is to live makes room for one that a person wants there instead. */
export function isReplaced(input: PlanInput, plan: Plan, trash: Extract<Action, { kind: "trashVolume" }>, facts: FleetReading): boolean {
  const claim = facts.claims.after(trash.set, trash.index);
  if (claim === null || claim.host !== trash.host || claim.generation !== trash.generation) return false;
  return plan.actions.some((action) => {
    if (action.kind !== "restoreVolume" || action.volume !== trash.volume || !isHere(action, trash)) return false;
    const wish = wishFor(input, action);
    const agreed = wish?.replace === true && claim.restores?.includes(trashKey(action.host, action.trashId)) === true;
    return agreed && isAfter(plan, action, (before) => before === trash);
  });
}

function wishFor(input: PlanInput, action: RestoreStep): Restore | null {
  const wish = openWish(input, action.host, action.trashId, action.trashedAtMs);
  return wish !== null && isOf(wish.to, action) && wish.to.volume === action.volume ? wish : null;
}

function openWish(input: PlanInput, host: string, trashId: string, trashedAtMs: number): Restore | null {
  const wish = input.memory.restores.get(trashKey(host, trashId));
  return wish?.lostAtMs === null && wish.trashedAtMs === trashedAtMs ? wish : null;
}

interface Slot {
  readonly set: string;
  readonly index: number;
}

function isOf(a: Slot, b: Slot): boolean {
  return a.set === b.set && a.index === b.index;
}

function isHere(a: Action, b: Action): boolean {
  return a.host === b.host && isOf(a, b);
}
