import type { Action, Plan } from "../../core/plan.ts";
import { createHeap, type Heap } from "./heap.ts";

/** The actions of one plan as the executor walks them. */
export interface Graph {
  readonly hash: string;
  readonly steps: readonly Step[];
  /** Per action, the actions that need it. */
  readonly dependents: readonly (readonly number[])[];
  /** Actions that may still start. */
  unstarted: number;
}

/** One action on its way. */
export interface Step {
  readonly graph: Graph;
  readonly action: Action;
  /** Unique in the journal: number of the plan and of the action. */
  readonly id: string;
  /** Lower goes first; equal ranks by action number. */
  readonly rank: number;
  /** Needs that are not done yet. */
  waitsFor: number;
  state: "waiting" | "started" | "dropped";
}

/** The graph of a plan. `planNumber` makes the ids; `rankOf` says which actions go first when there is a queue. */
export function buildGraph(plan: Pick<Plan, "hash" | "actions">, planNumber: number, rankOf: (action: Action) => number): Graph {
  const steps: Step[] = [];
  const dependents: number[][] = plan.actions.map(() => []);
  const graph: Graph = { hash: plan.hash, steps, dependents, unstarted: plan.actions.length };
  for (const action of plan.actions) {
    const id = `${planNumber}.${action.number}`;
    steps.push({ graph, action, id, rank: rankOf(action), waitsFor: action.needs.length, state: "waiting" });
    for (const need of action.needs) dependents[need]!.push(action.number);
  }
  return graph;
}

/** Marks one need of every dependent as done; returns those that need nothing more. */
export function release(step: Step): Step[] {
  const ready: Step[] = [];
  for (const number of step.graph.dependents[step.action.number]!) {
    const dependent = step.graph.steps[number]!;
    dependent.waitsFor -= 1;
    if (dependent.waitsFor === 0 && dependent.state === "waiting") ready.push(dependent);
  }
  return ready;
}

/** Whatever needs this step, directly or not, will never start. */
export function dropDependents(step: Step): void {
  const open = [step];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const number of next.graph.dependents[next.action.number]!) {
      const dependent = next.graph.steps[number]!;
      if (dependent.state !== "waiting") continue;
      dependent.state = "dropped";
      dependent.graph.unstarted -= 1;
      open.push(dependent);
    }
  }
}

/** Steps that need nothing more, in a queue per host, so that one full host does not hold up the others. */
export interface ReadyQueue {
  add(step: Step): void;
  /** There may be room on this host again. */
  wake(host: string): void;
  /** Takes up to `limit` steps, best rank first, and from each host no more than `roomOn` says at first asking. */
  take(limit: number, roomOn: (host: string) => number): Step[];
}

/** An empty queue. */
export function createReadyQueue(): ReadyQueue {
  const byHost = new Map<string, Heap<Step>>();
  // The first step of each host that may have room. A step that is no longer its host's first is stale and skipped.
  const heads = createHeap<Step>(compareSteps);
  const wake = (host: string): void => {
    const head = byHost.get(host)?.peek();
    if (head !== undefined) heads.push(head);
  };
  return {
    wake,
    add(step) {
      const host = step.action.host;
      const queue = byHost.get(host) ?? createHeap<Step>(compareSteps);
      byHost.set(host, queue);
      queue.push(step);
      if (queue.peek() === step) heads.push(step);
    },
    take(limit, roomOn) {
      const taken: Step[] = [];
      const room = new Map<string, number>();
      while (taken.length < limit) {
        const step = heads.pop();
        if (step === undefined) break;
        const host = step.action.host;
        const queue = byHost.get(host)!;
        if (queue.peek() !== step) continue;
        const left = room.get(host) ?? roomOn(host);
        if (left <= 0) continue;
        room.set(host, left - 1);
        queue.pop();
        taken.push(step);
        wake(host);
      }
      return taken;
    },
  };
}

function compareSteps(a: Step, b: Step): number {
  return a.rank - b.rank || a.action.number - b.action.number;
}
