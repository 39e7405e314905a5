import type { ActionResult } from "../../core/agent-wire.ts";
import type { Action, ActionKind } from "../../core/plan.ts";
import { slotKey } from "../../core/ids.ts";
import { withinTime } from "../deadline.ts";
import type { HostCore } from "../host-core.ts";
import { StepError } from "../ports.ts";
import { pullImage } from "./pull.ts";
import * as instance from "./steps-instance.ts";
import * as port from "./steps-port.ts";
import * as volume from "./steps-volume.ts";
import { failed, refused, verdictOf, type Of, type Verdict } from "./verdict.ts";

type Run<A extends Action> = (core: HostCore, action: A, signal: AbortSignal) => Promise<Verdict>;

/** The steps of this kind run in the slot's lane, one after another; the others wait for what the lane holds and block nobody. */
const STEPS: { readonly [Kind in ActionKind]: { readonly lane: boolean; readonly run: Run<Of<Kind>> } } = {
  pullImage: { lane: false, run: pullImage },
  attachPort: { lane: true, run: port.attachPort },
  startInstance: { lane: true, run: instance.startInstance },
  awaitHealthy: { lane: false, run: awaitHealthy },
  updateLive: { lane: true, run: instance.updateLive },
  replaceContainers: { lane: true, run: instance.replaceContainers },
  stopInstance: { lane: true, run: instance.stopInstance },
  removeInstance: { lane: true, run: instance.removeInstance },
  confirmGone: { lane: true, run: instance.confirmGone },
  detachPort: { lane: true, run: port.detachPort },
  createVolume: { lane: true, run: volume.createVolume },
  growVolume: { lane: true, run: volume.growVolume },
  trashVolume: { lane: true, run: volume.trashVolume },
  restoreVolume: { lane: true, run: volume.restoreVolume },
  purgeVolume: { lane: true, run: volume.purgeVolume },
};

export const STEP_KINDS = Object.keys(STEPS) as readonly ActionKind[];

/** Steps accepted and not answered yet; past that a host is asked too much. */
const MOST_STEPS = 5000;
/** Share of a step's deadline after which it is answered, so that the answer arrives before the reconciler stops waiting. */
const ANSWER_BY = 0.9;

/** Takes steps: those of one slot one after another, those of different slots side by side. */
export class StepRunner {
  readonly #core: HostCore;
  #open = 0;

  constructor(core: HostCore) {
    this.#core = core;
  }

  /** Carries a step out and says how it ended. Never rejects, except when the agent stops. */
  async run(action: Action): Promise<ActionResult> {
    const core = this.#core;
    if (this.#open >= MOST_STEPS) return this.#result(action, refused("host-busy", `${core.host} has ${MOST_STEPS} steps waiting`));
    this.#open++;
    const byMs = core.parts.clock.monotonic() + action.deadlineMs * ANSWER_BY;
    const { lane, run } = STEPS[action.kind] as { lane: boolean; run: Run<Action> };
    const key = slotKey(action.set, action.index);
    const work = async (): Promise<ActionResult> => this.#result(action, await this.#carryOut(action, byMs, run));
    try {
      if (lane) return await core.lanes.run(key, work);
      if (action.kind === "awaitHealthy") await core.lanes.passed(key);
      return await work();
    } finally {
      this.#open--;
    }
  }

  async #carryOut(action: Action, byMs: number, run: Run<Action>): Promise<Verdict> {
    const core = this.#core;
    const ms = byMs - core.parts.clock.monotonic();
    if (ms <= 0) return refused("host-busy", `the step waited its whole time for its turn on ${core.host}`);
    try {
      const limits = { ms, what: action.kind, lifetime: core.lifetime.signal };
      return await withinTime(core.parts.clock, limits, (signal) => run(core, action, signal));
    } catch (error) {
      core.lifetime.signal.throwIfAborted();
      const verdict = action.kind === "awaitHealthy" && isLate(error) ? notHealthy(core, action) : verdictOf(error);
      if (verdict.code === "step-trouble")
        core.parts.log.error({ error, step: action.kind, slot: slotKey(action.set, action.index) }, "step failed");
      return verdict;
    }
  }

  #result(action: Action, verdict: Verdict): ActionResult {
    return { number: action.number, ...verdict, version: this.#core.publish() };
  }
}

function isLate(error: unknown): boolean {
  return error instanceof StepError && error.code === "engine-silent";
}

function notHealthy(core: HostCore, action: Action): Verdict {
  const { set, index, generation } = action;
  const seen = core.observation?.instances.find((it) => it.set === set && it.index === index && it.generation === generation);
  const why = seen === undefined || seen.message === "" ? "" : `: ${seen.message}`;
  return failed("unhealthy", `${slotKey(set, index)} did not become healthy in time${why}`);
}

/** Resolves when the Instance is healthy or can't become it. */
function awaitHealthy(core: HostCore, action: Of<"awaitHealthy">, signal: AbortSignal): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const verdict = instance.judgeHealth(core, action);
      if (verdict !== null) finish(() => resolve(verdict));
    };
    const abort = (): void => finish(() => reject(signal.reason as Error));
    const stop = core.listen(look);
    function finish(settle: () => void): void {
      stop();
      signal.removeEventListener("abort", abort);
      settle();
    }
    signal.addEventListener("abort", abort, { once: true });
    look();
  });
}
