import type { Desired, Priority } from "../core/desired.ts";
import type { EventBody } from "../core/events.ts";
import type { Memory } from "../core/memory.ts";
import type { Action, Plan, PlanInput } from "../core/plan.ts";
import type { Executor } from "./execute.ts";
import type { FleetKeeper } from "./fleet.ts";
import type { Clock } from "./ports.ts";

/** Decides; keeps what it can from earlier passes. A new one has forgotten everything. */
export interface Planner {
  plan(input: PlanInput): Plan;
}

/** What the independent check has against a plan. */
export interface PlanViolation {
  readonly code: string;
  readonly text: string;
}

export interface PassPorts {
  readonly clock: Clock;
  readonly fleet: FleetKeeper;
  readonly executor: Executor;
  readonly createPlanner: () => Planner;
  readonly check: (input: PlanInput, plan: Plan) => readonly PlanViolation[];
  readonly memory: () => Memory;
  readonly append: (events: readonly EventBody[]) => void;
}

/** What this pass plans for. */
export interface PassSubject {
  readonly desired: Desired;
  readonly destroysFrozen: string | null;
  /** Monotonic. */
  readonly startedAtMs: number;
}

/** What one pass came to. */
export interface PassResult {
  readonly input: PlanInput;
  /** null: the planner failed. */
  readonly plan: Plan | null;
  /** Not empty: nothing of the plan was carried out. */
  readonly violations: readonly PlanViolation[];
}

export interface Passes {
  /**
   * One pass, synchronous: plans, checks, journals, hands the actions over. `full`: with a fresh planner, so that an
   * error in what the last one kept heals. Throws only when the journal can't be written.
   */
  run(subject: PassSubject, full: boolean): PassResult;
}

/** No pass ran yet. */
export function createPasses(ports: PassPorts): Passes {
  let planner: Planner | null = null;
  return {
    run(subject, full) {
      const input = inputOf(ports, subject);
      if (full || planner === null) planner = ports.createPlanner();
      const { plan, violations } = decide(ports, planner, input);
      if (plan === null || violations.length > 0) {
        planner = null;
        ports.executor.replacePlan(NOTHING, ports.memory().plans, normalRank);
      } else {
        carryOut(ports, input, plan);
      }
      return { input, plan, violations };
    },
  };
}

const NOTHING = { hash: "", actions: [] };

function inputOf({ clock, fleet, executor, memory }: PassPorts, subject: PassSubject): PlanInput {
  return {
    nowMs: clock.now(),
    monotonicMs: clock.monotonic(),
    startedAtMs: subject.startedAtMs,
    desired: subject.desired,
    destroysFrozen: subject.destroysFrozen,
    memory: memory(),
    fleet: fleet.views,
    busy: executor.busySlots(),
  };
}

/** The plan and what the check has against it. A planner or check that throws has a defect: that is a violation too. */
function decide(ports: PassPorts, planner: Planner, input: PlanInput): Pick<PassResult, "plan" | "violations"> {
  try {
    const plan = planner.plan(input);
    return { plan, violations: ports.check(input, plan) };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { plan: null, violations: [{ code: "planner-failed", text }] };
  }
}

/** Journals what was decided, then lets the executor begin. Writes nothing when there is nothing to do. */
function carryOut({ executor, memory, append }: PassPorts, input: PlanInput, plan: Plan): void {
  const started = plan.intents.length > 0 || (plan.actions.length > 0 && !executor.waitsOn(plan.hash));
  const events = [...plan.intents, ...inventoried(input), ...(started ? [startedEvent(plan)] : [])];
  if (events.length > 0) append(events);
  executor.replacePlan(plan, memory().plans, (action) => rankOf(input.desired, action));
}

function startedEvent({ hash, commit, changes, actions }: Plan): EventBody {
  const changed = changes.filter((change) => change.kind !== "keep").length;
  return { type: "plan.started", hash, commit, changes: changed, actions: actions.length };
}

/**
 * Hosts of the inventory that were observed: in the same write as the adoptions planned from those observations, so
 * that no crash leaves a host inventoried and its Instances unknown.
 */
function inventoried({ memory, fleet }: PlanInput): EventBody[] {
  if (memory.uninventoried === null || memory.uninventoried.size === 0) return [];
  const hosts = [...memory.uninventoried].filter((host) => (fleet.get(host)?.observation ?? null) !== null);
  return hosts.length === 0 ? [] : [{ type: "host.inventoried", hosts }];
}

const RANKS: Readonly<Record<Priority, number>> = { core: 0, normal: 1, batch: 2 };

/** Actions of core Sets go first where there is a queue; a Set that is gone counts as normal. */
function rankOf(desired: Desired, action: Action): number {
  return RANKS[desired.sets.get(action.set)?.priority ?? "normal"];
}

function normalRank(): number {
  return RANKS.normal;
}
