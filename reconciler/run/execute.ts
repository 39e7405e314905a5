import type { EventBody } from "../core/events.ts";
import { slotKey } from "../core/ids.ts";
import type { RunningAction } from "../core/memory.ts";
import type { Action, Plan } from "../core/plan.ts";
import { applySteps, type Verdict } from "./execute/apply.ts";
import { OVER } from "./deadline.ts";
import { type BusySlots, createBusySlots } from "./execute/busy.ts";
import type { FleetKeeper } from "./fleet.ts";
import { buildGraph, createReadyQueue, dropDependents, type Graph, type ReadyQueue, release, type Step } from "./execute/graph.ts";
import type { Clock, Hosts } from "./ports.ts";
import { createWitness, type Witness, type WitnessLimits } from "./execute/witness.ts";

/**
 * Carries out plans. It knows order, limits and time, and nothing of what the actions mean: what to do after a
 * failure is for the next pass to decide.
 */
export interface Executor {
  /**
   * From now on `plan` counts: unstarted actions of the one before never start, started ones run on. `planNumber` is part
   * of the action ids in the journal; a lower rank goes first where there is a queue.
   */
  replacePlan(plan: Pick<Plan, "hash" | "actions">, planNumber: number, rankOf: (action: Action) => number): void;
  /** True while this very work waits and nothing of it was started or dropped: it needs no new number in the journal. */
  waitsOn(planHash: string): boolean;
  /**
   * Takes actions over that an earlier process started: their outcome is unknown until their hosts were observed.
   * `inputOf` says what a failure of that slot is counted against.
   */
  recover(running: readonly RunningAction[], inputOf: (action: RunningAction) => string): void;
  /** Slots with a step under way or whose effect was not observed yet. A copy. */
  busySlots(): ReadonlySet<string>;
  /** True when a step is under way on this host or its effect is awaited. */
  working(host: string): boolean;
  inFlight(): readonly InFlight[];
  /** Actions of the present plan that did not start and still may. */
  waiting(): number;
  /** Nothing is under way and no effect is awaited. */
  idle(): boolean;
  /** To be called when the fleet has a newer observation of this host. */
  observed(host: string): void;
  /** A host spoke again after a problem: observe it afresh. */
  refresh(host: string): void;
  /** Starts nothing more and waits for what was started, at most this long. */
  drain(deadlineMs: number): Promise<void>;
}

/** An action that was started and has not ended. */
export interface InFlight {
  readonly id: string;
  readonly action: Action;
  /** Monotonic. */
  readonly startedAtMs: number;
}

export interface ExecuteLimits extends WitnessLimits {
  /** Actions under way at once on one host, and in all. */
  readonly perHost: number;
  readonly total: number;
  /** Results that come within this time share one write to the journal. */
  readonly groupMs: number;
}

export interface ExecutorPorts {
  readonly hosts: Hosts;
  readonly fleet: FleetKeeper;
  readonly clock: Clock;
  readonly limits: ExecuteLimits;
  /** Ends everything at once, as a crash would. */
  readonly lifetime: AbortSignal;
  /** Writes to the journal; a throw ends the process. */
  readonly append: (events: readonly EventBody[]) => void;
  /** No step of this slot is under way or awaited any more. */
  readonly slotFreed: (slot: string) => void;
  /** The executor itself failed and did not finish its turn. */
  readonly crash: (error: unknown) => void;
}

const NO_PLAN: Graph = { hash: "", steps: [], dependents: [], unstarted: 0 };

interface State {
  readonly ports: ExecutorPorts;
  readonly witness: Witness;
  readonly busy: BusySlots;
  /** By action id; of any plan. */
  readonly started: Map<string, Started>;
  /** How many of them per host. */
  readonly onHost: Map<string, number>;
  graph: Graph;
  queue: ReadyQueue;
  /** Came in since the last turn. */
  ended: Ended[];
  turnComing: boolean;
  draining: boolean;
  /** Resolves the drain. */
  drained: () => void;
}

interface Started {
  readonly step: Step;
  readonly startedAtMs: number;
  /** The run of the agent that was seen when the step started. */
  readonly boot: string;
}

interface Ended extends Started {
  readonly verdict: Verdict;
}

/** An executor without a plan. */
export function createExecutor(ports: ExecutorPorts): Executor {
  const state = newState(ports);
  return {
    replacePlan(plan, planNumber, rankOf) {
      state.graph = buildGraph(plan, planNumber, rankOf);
      state.queue = createReadyQueue();
      for (const step of state.graph.steps) if (step.waitsFor === 0) state.queue.add(step);
      turn(state);
    },
    waitsOn: (hash) => state.graph.hash === hash && state.graph.unstarted > 0 && state.graph.unstarted === state.graph.steps.length,
    recover: (running, inputOf) => recover(state, running, inputOf),
    busySlots: () => state.busy.snapshot(),
    working: (host) => state.onHost.has(host),
    inFlight: () => [...state.started.values()].map(({ step, startedAtMs }) => ({ id: step.id, action: step.action, startedAtMs })),
    waiting: () => state.graph.unstarted,
    idle: () => state.busy.size === 0,
    observed: (host) => state.witness.observed(host),
    refresh: (host) => state.witness.refresh(host),
    drain: (deadlineMs) => drain(state, deadlineMs),
  };
}

function newState(ports: ExecutorPorts): State {
  const busy = createBusySlots();
  const free = (slot: string): void => {
    if (busy.leave(slot)) ports.slotFreed(slot);
  };
  const opened = (host: string): void => {
    state.queue.wake(host);
    turnSoon(state);
  };
  const state: State = {
    ports,
    busy,
    witness: createWitness({ ...ports, free, opened }),
    started: new Map(),
    onHost: new Map(),
    graph: NO_PLAN,
    queue: createReadyQueue(),
    ended: [],
    turnComing: false,
    draining: false,
    drained: () => undefined,
  };
  return state;
}

/** One turn: takes in what ended, journals it together with what starts now, and only then sends that. */
function turn(state: State): void {
  const ended = state.ended.splice(0);
  for (const one of ended) takeIn(state, one);
  const room = state.draining ? 0 : state.ports.limits.total - state.started.size;
  const starting = state.queue.take(room, (host) => roomOn(state, host)).map((step) => begin(state, step));
  const events = [...ended.map(endedEvent), ...starting.map(startedEvent)];
  if (events.length > 0) state.ports.append(events);
  // After the next steps began: a slot whose chain goes on is not free in between.
  for (const one of ended) awaitEffect(state, one);
  for (const steps of Map.groupBy(starting, (step) => step.action.host).values()) send(state, steps);
  if (state.started.size === 0) state.drained();
}

/** A turn after a short while, so that results that come together share a write. */
function turnSoon(state: State): void {
  if (state.turnComing) return;
  state.turnComing = true;
  const { clock, limits, lifetime, crash } = state.ports;
  clock
    .sleep(limits.groupMs, lifetime)
    .then(() => {
      state.turnComing = false;
      turn(state);
    })
    .catch((error: unknown) => {
      if (!lifetime.aborted) crash(error);
    });
}

/** The step is no longer under way: its dependents go on, or never start. An unknown outcome closes the host. */
function takeIn(state: State, { step, verdict }: Ended): void {
  const { host } = step.action;
  state.started.delete(step.id);
  const left = state.onHost.get(host)! - 1;
  if (left > 0) state.onHost.set(host, left);
  else state.onHost.delete(host);
  state.queue.wake(host);
  if (verdict.outcome === "unknown") state.witness.doubt(host, slotOf(step));
  if (verdict.outcome !== "done") return dropDependents(step);
  const ready = release(step);
  if (step.graph === state.graph) for (const next of ready) state.queue.add(next);
}

/** How many more steps may start on this host now. */
function roomOn(state: State, host: string): number {
  const { fleet, limits } = state.ports;
  if (!fleet.reachable(host) || state.witness.closed(host)) return 0;
  return limits.perHost - (state.onHost.get(host) ?? 0);
}

/** Counts the step as under way. */
function begin(state: State, step: Step): Step {
  const { fleet, clock } = state.ports;
  const { host } = step.action;
  step.state = "started";
  step.graph.unstarted -= 1;
  const boot = fleet.views.get(host)?.observation?.boot ?? "";
  state.started.set(step.id, { step, boot, startedAtMs: clock.monotonic() });
  state.onHost.set(host, (state.onHost.get(host) ?? 0) + 1);
  state.busy.enter(slotOf(step));
  return step;
}

/** Sends steps of one host; their verdicts come in with a later turn. */
function send(state: State, steps: readonly Step[]): void {
  const { hosts, clock, lifetime, crash } = state.ports;
  applySteps(hosts, clock, lifetime, steps, (step, verdict) => {
    if (lifetime.aborted) return;
    state.ended.push({ ...state.started.get(step.id)!, verdict });
    turnSoon(state);
  }).catch(crash);
}

/** Keeps the slot busy until the host shows what the step did. */
function awaitEffect(state: State, { step, verdict, boot }: Ended): void {
  if (verdict.outcome !== "unknown") state.witness.expect(step.action.host, slotOf(step), boot, verdict.version);
}

function slotOf({ action }: Step): string {
  return slotKey(action.set, action.index);
}

function startedEvent({ id, action }: Step): EventBody {
  const { kind, host, set, index, generation, taskId } = action;
  return { type: "action.started", id, kind, host, set, index, generation, taskId };
}

function endedEvent({ step, verdict }: Ended): EventBody {
  const { outcome, code, message } = verdict;
  return { type: "action.ended", id: step.id, outcome, code, message, input: step.action.input };
}

function recover(state: State, running: readonly RunningAction[], inputOf: (action: RunningAction) => string): void {
  if (running.length === 0) return;
  const outcome = {
    type: "action.ended",
    outcome: "unknown",
    code: "restarted",
    message: "the reconciler was restarted while it ran",
  } as const;
  state.ports.append(running.map((action) => ({ ...outcome, id: action.id, input: inputOf(action) })));
  for (const action of running) {
    const slot = slotKey(action.set, action.index);
    state.busy.enter(slot);
    state.witness.doubt(action.host, slot);
  }
}

async function drain(state: State, deadlineMs: number): Promise<void> {
  state.draining = true;
  if (state.started.size === 0) return;
  const { clock, lifetime } = state.ports;
  const done = new Promise<void>((resolve) => {
    state.drained = resolve;
  });
  const over = new AbortController();
  const deadline = clock.sleep(deadlineMs, AbortSignal.any([lifetime, over.signal])).catch(() => undefined);
  await Promise.race([done, deadline]);
  over.abort(OVER);
}
