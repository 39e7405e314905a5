/**
 * A process that writes the journal given as its argument until it is killed: a Task is opened, placed and closed,
 * over and over. Prints the number of the last event after each append() that returned.
 */
import { writeSync } from "node:fs";
import type { EventBody } from "../../reconciler/core/events.ts";
import { openJournal } from "../../reconciler/io/store/journal.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";

const journal = openJournal({ path: process.argv[2]! });
const loaded = journal.load();
let memory = fold(loaded.memory ?? emptyMemory(), loaded.events);
const resources = { cpuMillis: 500, memoryBytes: 1, diskBytes: 0, ingressBps: 0, egressBps: 0 };

for (;;) {
  const set = "web";
  const taskId = `t${memory.sequence}`;
  const generation = (memory.sets.get(set)?.generations.get(0) ?? 0) + 1;
  const claim = { generation, host: "a-1", ip: null, resources, hostPorts: [], exclusive: false, core: false, taskId, why: "fits" };
  const open = memory.sets.get(set)?.task;
  if (open != null) write({ type: "task.closed", set, taskId: open.taskId, verdict: "Superseded", why: "restart" });
  const slot = memory.sets.get(set)?.slots.get(0);
  for (const former of slot?.former ?? []) write({ type: "slot.cleared", set, index: 0, generation: former.generation });
  write(
    { type: "task.opened", set, taskId, trigger: "create", commit: "c1", goal: "g1" },
    { type: "slot.placed", set, index: 0, claim },
    { type: "plan.started", hash: "p", commit: "c1", changes: 1, actions: 1 },
  );
  write({ type: "task.closed", set, taskId, verdict: "Succeeded", why: "" });
  if (journal.eventsSinceSnapshot() > 50) journal.snapshot(memory);
}

function write(...bodies: EventBody[]): void {
  const events = bodies.map((body) => ({ atMs: 1000 + memory.sequence, ...body }));
  memory = fold(memory, events);
  journal.append(events);
  writeSync(1, `${memory.sequence}\n`);
}
