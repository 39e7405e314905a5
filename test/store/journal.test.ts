import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fc, test as propertyTest } from "@fast-check/vitest";
import { describe, expect, onTestFinished, test } from "vitest";
import type { EventBody, JournalEvent } from "../../reconciler/core/events.ts";
import { openJournal, openJournalReadOnly, type StoredJournal } from "../../reconciler/io/store/journal.ts";
import { openMemoryJournal } from "../../reconciler/io/store/memory-journal.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";
import { claimOf, legalEvents } from "../fold/legal-events.ts";
import { stateFolder } from "./state-folder.ts";

const DAY_MS = 86_400_000;

function dated(atMs: number, ...bodies: EventBody[]): JournalEvent[] {
  return bodies.map((body) => ({ atMs, ...body }));
}

/** A Task of `web` from open to closed: 6 events. */
function taskEvents(taskId: string, generation: number, atMs: number): JournalEvent[] {
  const action = { kind: "startInstance", host: "a-1", set: "web", index: 0, generation, taskId };
  const former: EventBody[] = generation === 1 ? [] : [{ type: "slot.cleared", set: "web", index: 0, generation: generation - 1 }];
  return dated(
    atMs,
    { type: "task.opened", set: "web", taskId, trigger: "create", commit: "c1", goal: "g1" },
    { type: "slot.placed", set: "web", index: 0, claim: claimOf(generation, "a-1", { taskId }) },
    ...former,
    { type: "action.started", id: `${taskId}.0`, ...action },
    { type: "action.ended", id: `${taskId}.0`, outcome: "done", code: "", message: "", input: "i" },
    { type: "task.closed", set: "web", taskId, verdict: "Succeeded", why: "" },
  );
}

const openers: [name: string, open: () => StoredJournal][] = [
  ["in a file", () => openJournal({ path: join(stateFolder(), "journal.db") })],
  ["in memory", openMemoryJournal],
];

describe.each(openers)("a journal %s", (_, open) => {
  test("gives back what was appended, in order", () => {
    const journal = kept(open());
    const events = [...taskEvents("t1", 1, 1000), ...taskEvents("t2", 2, 2000)];
    journal.append(events.slice(0, 2));
    journal.append([]);
    journal.append(events.slice(2));
    expect(journal.load()).toEqual({ memory: null, events });
    expect(journal.eventsSinceSnapshot()).toBe(events.length);
  });

  test("after a snapshot loads it and only what came later", () => {
    const journal = kept(open());
    const [first, second] = [taskEvents("t1", 1, 1000), taskEvents("t2", 2, 2000)];
    journal.append(first);
    const memory = fold(emptyMemory(), first);
    journal.snapshot(memory);
    expect(journal.eventsSinceSnapshot()).toBe(0);
    expect(journal.load().events).toEqual([]);
    const whole = fold(memory, second);
    journal.append(second);
    const loaded = journal.load();
    expect(loaded.events).toEqual(second);
    expect(loaded.memory?.sequence).toBe(first.length);
    expect(fold(loaded.memory!, loaded.events)).toEqual(whole);
  });

  test("finds the events of a Task, also those that do not name it", () => {
    const journal = kept(open());
    journal.append(dated(500, { type: "plan.started", hash: "p", commit: "c1", changes: 1, actions: 1 }));
    journal.append(taskEvents("t1", 1, 1000));
    journal.append(taskEvents("t2", 2, 2000));
    expect(journal.eventsOfTask("t1")).toEqual(taskEvents("t1", 1, 1000));
    expect(journal.eventsOfTask("t2").map((event) => event.type)).toEqual([
      "task.opened",
      "slot.placed",
      "slot.cleared",
      "action.started",
      "action.ended",
      "task.closed",
    ]);
    expect(journal.eventsOfTask("t3")).toEqual([]);
  });

  test("attributes an action's end to its Task across a snapshot", () => {
    const journal = kept(open());
    const events = taskEvents("t1", 1, 1000);
    const memory = fold(emptyMemory(), events.slice(0, 3));
    journal.append(events.slice(0, 3));
    journal.snapshot(memory);
    journal.load();
    journal.append(events.slice(3));
    expect(journal.eventsOfTask("t1").map((event) => event.type)).toContain("action.ended");
  });

  test("lists recent Tasks newest first, and a Set's newest events oldest first", () => {
    const journal = kept(open());
    for (let number = 1; number <= 4; number++) journal.append(taskEvents(`t${number}`, number, number * 1000));
    const recent = journal.recentTasks(3).map((event) => `${event.type} ${(event as { taskId: string }).taskId}`);
    const closed = ["task.closed t2", "task.closed t3", "task.closed t4"];
    expect(recent).toEqual(["task.opened t4", "task.opened t3", "task.opened t2", ...closed]);
    expect(journal.eventsOfSet("web", 2).map((event) => event.type)).toEqual(["action.ended", "task.closed"]);
    expect(journal.eventsOfSet("db", 2)).toEqual([]);
    const hold = { scope: "set", name: "db", who: "ann", why: "", sinceMs: 1, untilMs: null } as const;
    journal.append(dated(5000, { type: "hold.placed", hold }));
    expect(journal.eventsOfSet("db", 2)).toHaveLength(1);
  });
});

describe("a journal in a file", () => {
  propertyTest.prop([fc.array(fc.nat({ max: 100_000 }), { maxLength: 40, size: "max" }), fc.nat(40)], { numRuns: 15 })(
    "loads the same history as it was given, from any snapshot, after opening again",
    (choices, cut) => {
      const path = join(stateFolder(), "journal.db");
      const events = legalEvents(choices);
      const prefix = events.slice(0, cut);
      const writer = openJournal({ path });
      writer.append(prefix);
      writer.snapshot(fold(emptyMemory(), prefix));
      for (const event of events.slice(cut)) writer.append([event]);
      writer.close();
      const reopened = openJournal({ path });
      const loaded = reopened.load();
      reopened.close();
      expect(fold(loaded.memory ?? emptyMemory(), loaded.events)).toEqual(fold(emptyMemory(), events));
    },
  );

  test("drops old events once they are in a snapshot, but not those of recent Tasks or days", () => {
    const journal = kept(openJournal({ path: join(stateFolder(), "journal.db"), keepTasks: 1, keepForMs: DAY_MS }));
    const events = [taskEvents("t1", 1, 0), taskEvents("t2", 2, 1), taskEvents("t3", 3, 10 * DAY_MS), taskEvents("t4", 4, 10 * DAY_MS)];
    for (const task of events) journal.append(task);
    expect(journal.eventsOfTask("t1")).toHaveLength(5);
    journal.snapshot(fold(emptyMemory(), events.flat()));
    expect(journal.eventsOfTask("t1")).toEqual([]);
    expect(journal.eventsOfTask("t2")).toEqual([]);
    expect(journal.eventsOfTask("t3")).toHaveLength(6);
    expect(journal.eventsOfTask("t4")).toHaveLength(6);
  });

  test.each([
    { keepTasks: 1, keepEvents: 1000, kept: [0, 6] },
    { keepTasks: 2, keepEvents: 1000, kept: [5, 6] },
    { keepTasks: 2, keepEvents: 7, kept: [0, 6] },
    { keepTasks: 2, keepEvents: 4, kept: [0, 0] },
  ])(
    "keeps old events of the newest Tasks, whole ones and up to a limit in number: $keepTasks, $keepEvents",
    ({ kept: lengths, ...options }) => {
      const journal = kept(openJournal({ path: join(stateFolder(), "journal.db"), keepForMs: 10, ...options }));
      const events = [
        ...taskEvents("t1", 1, 0),
        ...taskEvents("t2", 2, 1),
        ...dated(DAY_MS, { type: "host.dead", host: "a", who: "", why: "" }),
      ];
      journal.append(events);
      journal.snapshot(fold(emptyMemory(), events));
      expect([journal.eventsOfTask("t1").length, journal.eventsOfTask("t2").length]).toEqual(lengths);
    },
  );

  test("never drops an event that the snapshot lacks", () => {
    const journal = kept(openJournal({ path: join(stateFolder(), "journal.db"), keepTasks: 0, keepForMs: 0, keepEvents: 0 }));
    const [first, second] = [taskEvents("t1", 1, 0), taskEvents("t2", 2, DAY_MS)];
    journal.append(first);
    journal.append(second);
    journal.snapshot(fold(emptyMemory(), first));
    expect(journal.load().events).toEqual(second);
  });

  test("takes no snapshot of a future, or of a past whose events may be gone", () => {
    const journal = kept(openJournal({ path: join(stateFolder(), "journal.db") }));
    const events = taskEvents("t1", 1, 0);
    journal.append(events);
    journal.snapshot(fold(emptyMemory(), events));
    expect(() => journal.snapshot(fold(emptyMemory(), events.slice(0, 2)))).toThrow("a snapshot at event 2; possible are 5 to 5");
    expect(() => journal.snapshot(fold(emptyMemory(), [...events, ...taskEvents("t2", 2, 0)]))).toThrow("possible are 5 to 5");
    expect(journal.load().memory).toEqual(fold(emptyMemory(), events));
  });

  test("appends all of a batch or none of it", () => {
    const journal = kept(openJournal({ path: join(stateFolder(), "journal.db") }));
    journal.append(taskEvents("t1", 1, 0));
    const events = taskEvents("t2", 2, 0);
    const bad = [...events.slice(0, 4), { atMs: 1.5, type: "plan.started", hash: "", commit: "", changes: 0, actions: 0 } as JournalEvent];
    expect(() => journal.append(bad)).toThrow("REAL value in INTEGER column");
    expect(journal.load().events).toEqual(taskEvents("t1", 1, 0));
    journal.append(events);
    expect(journal.eventsOfTask("t2")).toEqual(events);
  });

  test("is read by others while it is written, also what came after they opened it", () => {
    const path = join(stateFolder(), "journal.db");
    const writer = kept(openJournal({ path }));
    const reader = kept(openJournalReadOnly({ path }));
    writer.append(taskEvents("t1", 1, 0));
    expect(reader.load().events).toEqual(taskEvents("t1", 1, 0));
    expect(() => reader.append(taskEvents("t2", 2, 0))).toThrow(expect.objectContaining({ code: "state-folder" }));
  });

  test("of format 1 is brought up to date and keeps what it holds", () => {
    const path = join(stateFolder(), "journal.db");
    const old = new DatabaseSync(path);
    old.exec(readFileSync(join(import.meta.dirname, "journal-v1.sql"), "utf8"));
    old.close();
    expect(() => openJournalReadOnly({ path })).toThrow(expect.objectContaining({ code: "journal-version" }));
    const migrated = openJournal({ path, fleet: "main" });
    const { memory, events } = migrated.load();
    expect(fold(memory!, events).sets.get("web")?.slots.get(0)?.current?.host).toBe("a-1");
    expect(migrated.eventsOfTask("t1")).toHaveLength(2);
    migrated.close();
    expect(schemaOf(path)).toEqual(schemaOf(newJournal()));
  });

  function newJournal(): string {
    const path = join(stateFolder(), "journal.db");
    openJournal({ path }).close();
    return path;
  }
});

/** Tables and indexes of the file, and its format. */
function schemaOf(path: string): unknown[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const tables = database
    .prepare("SELECT name, replace(replace(sql, char(10), ''), ' ', '') AS sql FROM sqlite_schema ORDER BY name")
    .all();
  const format = database.prepare("SELECT value FROM meta WHERE key = 'schema'").get();
  database.close();
  return [...tables, format];
}

/** The journal, closed when the test is over. */
function kept(journal: StoredJournal): StoredJournal {
  onTestFinished(() => journal.close());
  return journal;
}
