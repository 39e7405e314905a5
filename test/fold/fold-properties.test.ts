import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import type { EventBody, JournalEvent } from "../../reconciler/core/events.ts";
import { parseMemory, serializeMemory } from "../../reconciler/core/memory-json.ts";
import type { Memory } from "../../reconciler/core/memory.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";
import { claimOf, legalEvents } from "./legal-events.ts";

const histories = fc.array(fc.nat({ max: 100_000 }), { maxLength: 80, size: "max" }).map(legalEvents);

function throughJson(memory: Memory): Memory {
  return parseMemory(JSON.parse(JSON.stringify(serializeMemory(memory))));
}

describe("any legal history", () => {
  test.prop([histories], { numRuns: 25 })("folds the same from a snapshot at every prefix", (events) => {
    const whole = fold(emptyMemory(), events);
    for (let cut = 0; cut <= events.length; cut++) {
      const restored = throughJson(fold(emptyMemory(), events.slice(0, cut)));
      expect(fold(restored, events.slice(cut))).toEqual(whole);
    }
  });

  test.prop([histories], { numRuns: 40 })("replaces what changed and keeps the identity of what did not", (events) => {
    let memory = emptyMemory();
    for (const event of events) {
      const before = {
        sets: new Map(memory.sets),
        hosts: new Map(memory.hosts),
        holds: new Map(memory.holds),
        restores: new Map(memory.restores),
      };
      const values = serializedEntries(memory);
      memory = fold(memory, [event]);
      for (const [key, value] of serializedEntries(memory)) {
        const [map, name] = [key.slice(0, key.indexOf(" ")), key.slice(key.indexOf(" ") + 1)];
        const isSame = memory[map as "sets"].get(name) === before[map as "sets"].get(name);
        if (values.get(key) !== value) expect(isSame, `${event.type} changed ${key} in place`).toBe(false);
        else if (!mayRepeat(event)) expect(isSame, `${event.type} replaced ${key} needlessly`).toBe(true);
      }
    }
  });

  test.prop([histories], { numRuns: 60 })("has slots with a claim, and no generation above the highest used", (events) => {
    for (const set of fold(emptyMemory(), events).sets.values()) {
      for (const [index, slot] of set.slots) {
        const generations = [...slot.former, ...(slot.current === null ? [] : [slot.current])].map((claim) => claim.generation);
        expect(generations.length).toBeGreaterThan(0);
        expect(generations).toEqual(generations.toSorted((a, b) => a - b));
        expect(set.generations.get(index)).toBeGreaterThanOrEqual(Math.max(...generations));
      }
    }
  });
});

test("the histories reach every type of event", () => {
  const types = new Set<string>(
    fc
      .sample(histories, { numRuns: 60, seed: 1 })
      .flat()
      .map((event) => event.type),
  );
  expect(types.size).toBe(27);
});

test("a cold start of 33,000 slots folds in well under a second", () => {
  const events = coldStart(500, 66);
  expect(events.length).toBeGreaterThan(290_000);
  const before = process.cpuUsage();
  const memory = fold(emptyMemory(), events);
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
  expect(memory.sequence).toBe(events.length);
  expect(memory.sets.get("set-7")?.slots.size).toBe(66);
});

test("a snapshot of another version is refused with a hint", () => {
  const saved = { ...serializeMemory(emptyMemory()), version: 3 };
  expect(() => parseMemory(saved)).toThrow("saved memory is of version 3; this Setpoint reads versions 1 and 2");
  expect(() => parseMemory(null)).toThrow("saved memory is of version undefined");
});

test("a snapshot from before there were restores has none", () => {
  const { restores: _, purges: __, ...saved } = { ...serializeMemory(emptyMemory()), version: 1 };
  expect(parseMemory(JSON.parse(JSON.stringify(saved)))).toEqual(emptyMemory());
});

/** Host and hold events may say again what was said before; all others change what they name. */
function mayRepeat(event: JournalEvent): boolean {
  return ["host.state", "host.dead", "hold.placed", "slot.resized"].includes(event.type);
}

/** Each entry of the maps that promise identity, as text. */
function serializedEntries(memory: Memory): Map<string, string> {
  const saved = serializeMemory(memory);
  const lists = { sets: saved.sets, hosts: saved.hosts, holds: saved.holds, restores: saved.restores ?? [] };
  return new Map(Object.entries(lists).flatMap(([map, list]) => list.map(([name, value]) => [`${map} ${name}`, JSON.stringify(value)])));
}

/** Every slot placed, and four actions started and ended for each. */
function coldStart(sets: number, slots: number): JournalEvent[] {
  const bodies: EventBody[] = [];
  for (let number = 0; number < sets; number++) {
    const set = `set-${number}`;
    bodies.push({ type: "task.opened", set, taskId: set, trigger: "create", commit: "c", goal: "g" });
    for (let index = 0; index < slots; index++) bodies.push({ type: "slot.placed", set, index, claim: claimOf(1, "a-1") });
    for (let step = 0; step < slots * 4; step++) {
      const id = `${number}.${step}`;
      bodies.push({ type: "action.started", id, kind: "pullImage", host: "a-1", set, index: step % slots, generation: 1, taskId: set });
      bodies.push({ type: "action.ended", id, outcome: "done", code: "", message: "", input: "i" });
    }
  }
  return bodies.map((body, atMs) => ({ atMs, ...body }));
}
