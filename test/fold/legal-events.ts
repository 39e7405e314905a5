import type { EventBody, JournalEvent } from "../../reconciler/core/events.ts";
import type { Claim, Memory, SetMemory, SlotMemory } from "../../reconciler/core/memory.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";

const SETS = ["cache", "db", "web"];
const HOSTS = ["a-1", "a-2", "b-1"];

/** A claim with the fields a test cares about; the rest is fixed. */
export function claimOf(generation: number, host: string, change: Partial<Claim> = {}): Claim {
  const resources = { cpuMillis: 500, memoryBytes: 1 << 28, diskBytes: 0, ingressBps: 0, egressBps: 0 };
  return { generation, host, ip: null, resources, hostPorts: [], exclusive: false, core: false, taskId: "t", why: "fits", ...change };
}

/**
 * A legal history: each choice (an integer from 0) picks one of the events that may follow what came before.
 * Every type of event can come up.
 */
export function legalEvents(choices: readonly number[]): readonly JournalEvent[] {
  let memory = emptyMemory();
  const events: JournalEvent[] = [];
  for (const [position, choice] of choices.entries()) {
    const bodies = candidates(memory, Math.floor(choice / 1000));
    const event: JournalEvent = { atMs: 1000 + position, ...bodies[choice % bodies.length]! };
    memory = fold(memory, [event]);
    events.push(event);
  }
  return events;
}

/** The events that are legal now, for one Set, slot and host that `chance` picks. */
function candidates(memory: Memory, chance: number): EventBody[] {
  const set = SETS[chance % SETS.length]!;
  const index = Math.floor(chance / 3) % 3;
  const host = HOSTS[Math.floor(chance / 9) % HOSTS.length]!;
  const known = memory.sets.get(set);
  return [
    ...fleetEvents(memory, host, chance),
    ...taskEvents(known, set),
    ...actionEvents(memory, set, index, host, chance),
    ...trashEvents(memory, set, index, host, chance),
    { type: "slot.placed", set, index, claim: claimOf((known?.generations.get(index) ?? 0) + 1 + (chance % 2), host) },
    ...slotEvents(known?.slots.get(index), set, index, host),
  ];
}

function fleetEvents(memory: Memory, host: string, chance: number): EventBody[] {
  const name = SETS[chance % SETS.length]!;
  const events: EventBody[] = [
    { type: "revision.accepted", commit: `c${chance % 4}`, hosts: HOSTS },
    { type: "revision.rejected", commit: chance % 2 === 0 ? null : "bad", why: "no" },
    { type: "plan.started", hash: "h", commit: "c", changes: 1, actions: 1 },
    { type: "hold.placed", hold: { scope: "set", name, who: "ann", why: "", sinceMs: 1, untilMs: null } },
    { type: "host.state", host, state: ([null, "cordoned", "draining"] as const)[chance % 3]!, who: "ann", why: "" },
    { type: "host.dead", host, who: "ann", why: "burnt" },
    { type: "destroys.confirmed", hash: `h${chance % 3}`, who: "ann" },
  ];
  if (memory.uninventoried !== null) events.push({ type: "host.inventoried", hosts: [host] });
  if (memory.holds.has(`set/${name}`)) events.push({ type: "hold.released", scope: "set", name, who: "ann" });
  if (memory.hosts.get(host)?.confirmedDeadAtMs != null) events.push({ type: "host.returned", host });
  return events;
}

function trashEvents(memory: Memory, set: string, index: number, host: string, chance: number): EventBody[] {
  const trashId = `t${chance % 2}`;
  const key = `${host}/${trashId}`;
  const wish = { host, trashId, trashedAtMs: 5, kind: "lvm", who: "ann", why: "", sinceMs: 9 } as const;
  const place = { set, index, volume: "data" };
  const restore = memory.restores.get(key);
  const open = restore?.lostAtMs === null;
  const events: EventBody[] = [];
  if (!open && !memory.purges.has(key)) {
    events.push(
      { type: "restore.asked", restore: { ...wish, from: place, to: place, replace: false } },
      { type: "purge.asked", purge: wish },
    );
  }
  if (restore !== undefined) events.push({ type: "restore.cancelled", host, trashId, who: "ann", why: "" });
  if (open) events.push({ type: "restore.ended", host, trashId, set, index, outcome: chance % 3 === 0 ? "done" : "vanished" });
  if (memory.purges.has(key)) events.push({ type: "purge.ended", host, trashId });
  return events;
}

function taskEvents(known: SetMemory | undefined, set: string): EventBody[] {
  const taskId = `${set}-${known?.taskCount ?? 0}`;
  if (known?.task == null) return [{ type: "task.opened", set, taskId, trigger: "create", commit: "c", goal: "g" }];
  return [{ type: "task.closed", set, taskId: known.task.taskId, verdict: "Succeeded", why: "" }];
}

function actionEvents(memory: Memory, set: string, index: number, host: string, chance: number): EventBody[] {
  const action = { kind: chance % 2 === 0 ? "startInstance" : "restoreVolume", host, set, index, generation: 1, taskId: "t" };
  const trouble = { code: `code-${chance % 2}`, message: "it broke", input: `i${chance % 3}` };
  const events: EventBody[] = [
    { type: "set.counted", set, count: chance % 5, why: "load" },
    { type: "slot.crashed", set, index, host, ...trouble },
    { type: "slot.settled", set, index },
    { type: "action.started", id: `${memory.sequence}.0`, ...action },
  ];
  const [running] = memory.running.keys();
  if (running === undefined) return events;
  const outcome = (["failed", "refused", "unknown"] as const)[chance % 3]!;
  events.push({ type: "action.ended", id: running, outcome: "done", code: "", message: "", input: trouble.input });
  events.push({ type: "action.ended", id: running, outcome, ...trouble });
  return events;
}

function slotEvents(slot: SlotMemory | undefined, set: string, index: number, host: string): EventBody[] {
  const claims = [...(slot?.former ?? []), ...(slot?.current == null ? [] : [slot.current])];
  const events: EventBody[] = [];
  const unknownGeneration = [1, 2, 3, 4].find((generation) => claims.every((claim) => claim.generation !== generation));
  if (unknownGeneration !== undefined) events.push({ type: "slot.adopted", set, index, claim: claimOf(unknownGeneration, host) });
  if (slot?.current != null) {
    const { generation } = slot.current;
    events.push({ type: "slot.resized", set, index, claim: { ...slot.current, why: "grew" } });
    events.push({ type: "slot.retired", set, index, generation });
  }
  for (const claim of slot?.former ?? []) events.push({ type: "slot.cleared", set, index, generation: claim.generation });
  return events;
}
