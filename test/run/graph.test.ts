import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import type { Action } from "../../reconciler/core/plan.ts";
import { buildGraph, createReadyQueue, dropDependents, release, type Step } from "../../reconciler/run/execute/graph.ts";
import { createHeap } from "../../reconciler/run/execute/heap.ts";

test.prop([fc.array(fc.integer())])("a heap gives its items back in order", (items) => {
  const heap = createHeap<number>((a, b) => a - b);
  for (const item of items) heap.push(item);
  const taken: number[] = [];
  for (let item = heap.pop(); item !== undefined; item = heap.pop()) taken.push(item);
  expect(taken).toEqual(items.toSorted((a, b) => a - b));
});

/** Random actions on a few hosts whose needs point back, with how each will end. */
const plans = fc
  .array(fc.record({ host: fc.nat(3), needs: fc.array(fc.nat(), { maxLength: 3 }), succeeds: fc.boolean(), rank: fc.nat(2) }), {
    minLength: 1,
    maxLength: 30,
  })
  .map((items) => items.map((item, number) => ({ ...item, needs: number === 0 ? [] : item.needs.map((need) => need % number) })));

function actionsOf(items: readonly { readonly host: number; readonly needs: readonly number[] }[]): Action[] {
  return items.map(({ host, needs }, number) => {
    const step = { number, host: `h${host}`, set: "web", index: number, generation: 1, taskId: "t", needs, input: "s", deadlineMs: 1 };
    return { ...step, kind: "awaitHealthy" };
  });
}

describe("walking a plan", () => {
  test.prop([plans, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 })])(
    "starts each step once, after all it needs is done, within the limits, and never what needs a failed one",
    (items, total, perHost) => {
      const graph = buildGraph({ hash: "x", actions: actionsOf(items) }, 7, (action) => items[action.number]!.rank);
      const queue = createReadyQueue();
      for (const step of graph.steps) if (step.waitsFor === 0) queue.add(step);
      const done = new Set<number>();
      const startedOnce = new Set<number>();
      for (;;) {
        const taken = queue.take(total, () => perHost);
        if (taken.length === 0) break;
        expect(taken.length).toBeLessThanOrEqual(total);
        for (const steps of Map.groupBy(taken, (step) => step.action.host).values()) expect(steps.length).toBeLessThanOrEqual(perHost);
        for (const step of taken) {
          expect(startedOnce.has(step.action.number)).toBe(false);
          expect(step.action.needs.every((need) => done.has(need))).toBe(true);
          startedOnce.add(step.action.number);
          step.state = "started";
          graph.unstarted -= 1;
        }
        for (const step of taken) end(step);
      }
      expect(graph.unstarted).toBe(0);
      const reachable = (number: number): boolean => items[number]!.needs.every((need) => items[need]!.succeeds && reachable(need));
      expect([...startedOnce].sort((a, b) => a - b)).toEqual(items.flatMap((_, number) => (reachable(number) ? [number] : [])));

      function end(step: Step): void {
        queue.wake(step.action.host);
        if (!items[step.action.number]!.succeeds) return dropDependents(step);
        done.add(step.action.number);
        for (const next of release(step)) queue.add(next);
      }
    },
  );

  test("the better rank goes first, then the lower number; a full host holds up no other", () => {
    const items = [
      { host: 0, needs: [], rank: 1 },
      { host: 0, needs: [], rank: 1 },
      { host: 1, needs: [], rank: 2 },
      { host: 2, needs: [], rank: 0 },
    ];
    const graph = buildGraph({ hash: "x", actions: actionsOf(items) }, 3, (action) => items[action.number]!.rank);
    const queue = createReadyQueue();
    for (const step of graph.steps) queue.add(step);
    const room: Record<string, number> = { h0: 0, h1: 1, h2: 1 };
    expect(queue.take(9, (host) => room[host]!).map((step) => step.id)).toEqual(["3.3", "3.2"]);
    expect(queue.take(9, () => 9)).toEqual([]);
    queue.wake("h0");
    expect(queue.take(1, () => 9).map((step) => step.id)).toEqual(["3.0"]);
    expect(queue.take(9, () => 9).map((step) => step.id)).toEqual(["3.1"]);
  });
});
