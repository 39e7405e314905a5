import type { Action, ActionKind } from "../../core/plan.ts";

/** One slot's part in the steps being collected. */
export interface StepOwner {
  readonly set: string;
  readonly index: number;
  readonly taskId: string;
  /** Spec hash the steps work toward. */
  readonly input: string;
}

type Payload<Kind extends ActionKind> = Omit<
  Extract<Action, { kind: Kind }>,
  "number" | "host" | "set" | "index" | "generation" | "taskId" | "needs" | "input" | "deadlineMs" | "kind"
>;

/** Longest a host may take for each kind of step; what depends on the Set is added by the caller. Milliseconds. */
const DEADLINES_MS: Readonly<Record<ActionKind, number>> = {
  pullImage: 600_000,
  createVolume: 60_000,
  growVolume: 60_000,
  attachPort: 30_000,
  startInstance: 120_000,
  awaitHealthy: 30_000,
  updateLive: 30_000,
  replaceContainers: 120_000,
  stopInstance: 60_000,
  removeInstance: 60_000,
  confirmGone: 30_000,
  detachPort: 30_000,
  trashVolume: 60_000,
  restoreVolume: 60_000,
  purgeVolume: 60_000,
};

/** Collects a plan's actions; `needs` always point backward, so the list is its own topological order. */
export interface StepList {
  readonly actions: readonly Action[];
  /** Adds a step and returns its number. `extraMs` is added to the kind's deadline. */
  add<Kind extends ActionKind>(
    kind: Kind,
    owner: StepOwner,
    where: { readonly host: string; readonly generation: number },
    needs: readonly number[],
    payload: Payload<Kind>,
    extraMs?: number,
  ): number;
  /** The pull of this image on this host: one step, however many Instances wait for it. */
  pull(owner: StepOwner, where: { readonly host: string; readonly generation: number }, image: string): number;
}

/** An empty StepList. */
export function createStepList(): StepList {
  const actions: Action[] = [];
  /** By host, then image. */
  const pulls = new Map<string, Map<string, number>>();

  const add: StepList["add"] = (kind, owner, where, needs, payload, extraMs = 0) => {
    const number = actions.length;
    const { set, index, taskId, input } = owner;
    const { host, generation } = where;
    const deadlineMs = DEADLINES_MS[kind] + extraMs;
    // The payload's type is tied to the kind by the signature; TypeScript can't follow that through the spread.
    actions.push({ number, kind, host, set, index, generation, taskId, needs, input, deadlineMs, ...payload } as unknown as Action);
    return number;
  };

  function pull(owner: StepOwner, where: { readonly host: string; readonly generation: number }, image: string): number {
    let onHost = pulls.get(where.host);
    if (onHost === undefined) pulls.set(where.host, (onHost = new Map()));
    let number = onHost.get(image);
    if (number === undefined) onHost.set(image, (number = add("pullImage", owner, where, [], { image })));
    return number;
  }

  return { actions, add, pull };
}
