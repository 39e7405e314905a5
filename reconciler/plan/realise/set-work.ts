import type { EventBody } from "../../core/events.ts";
import { slotKey } from "../../core/ids.ts";
import type { Claim, TaskTrigger } from "../../core/memory.ts";
import type { Change, ChangeKind, Decision, Problem } from "../../core/plan.ts";
import { inputOf } from "../diff/assess.ts";
import type { AddressPool } from "../place/addresses.ts";
import type { HostIndex } from "../place/host-index.ts";
import type { Mark } from "../place/reservations.ts";
import type { FleetFacts, SetDraft } from "../set-draft.ts";
import type { StepList, StepOwner } from "../steps/step-list.ts";

/** What realising any Set needs of the pass as a whole. */
export interface PassContext {
  readonly fleet: FleetFacts;
  readonly index: HostIndex;
  /** Leases by pool. */
  readonly addresses: ReadonlyMap<string, AddressPool>;
  readonly steps: StepList;
  /** Pools whose destroys are over budget and not confirmed. */
  readonly heldPools: ReadonlySet<string>;
  /** Where the pass began, in the index. */
  readonly mark: Mark;
  /** By host. */
  readonly reclaimed: Map<string, Reclaimed>;
  /** Addresses leased for this plan only; given back when it is done. */
  readonly tentative: { readonly pool: string; readonly ip: string; readonly slot: string }[];
}

/** What a pass takes of a host's trash before its time, and for how much. */
export interface Reclaimed {
  /** Bytes of new claims that were given steps in this pass. */
  grantedBytes: number;
  freedBytes: number;
  /** Number of the step, by id of the entry. */
  readonly steps: Map<string, number>;
}

/** One Set's part of the plan while it is put together. */
export interface SetWork {
  readonly pass: PassContext;
  readonly draft: SetDraft;
  readonly taskId: string;
  readonly changes: Change[];
  readonly events: EventBody[];
  readonly problems: Problem[];
  /** Slots that can't go on by themselves, by reason. */
  readonly stuck: { readonly decision: Decision; readonly indices: number[] }[];
  /** Shortest wait after which a pass may decide otherwise; null: none. */
  wakeInMs: number | null;
  /** Something is missing, left over or under way. */
  unsettled: boolean;
  /** All that is left are earlier generations on hosts that can't be reached now: the Task need not wait for those. */
  lingering: boolean;
  /** Something other than a Stalled slot is missing or under way. */
  hopeful: boolean;
  trigger: TaskTrigger | null;
}

/** An empty SetWork. */
export function createSetWork(pass: PassContext, draft: SetDraft, taskId: string): SetWork {
  return {
    pass,
    draft,
    taskId,
    changes: [],
    events: [...draft.adoptions],
    problems: [],
    stuck: [],
    wakeInMs: null,
    unsettled: draft.adoptions.length > 0,
    lingering: false,
    hopeful: false,
    trigger: null,
  };
}

/** Whom the steps of a slot belong to. */
export function ownerOf(work: SetWork, index: number): StepOwner {
  return { set: work.draft.name, index, taskId: work.taskId, input: inputOf(work.draft.set) };
}

/** A change on a claim's host. */
export function addChange(
  work: SetWork,
  kind: ChangeKind,
  index: number,
  claim: Pick<Claim, "host" | "generation"> | null,
  decision: Decision,
  more: { readonly what?: string; readonly from?: string | null } = {},
): void {
  const { what = "", from = null } = more;
  const { host, generation } = claim ?? { host: null, generation: 0 };
  work.changes.push({ set: work.draft.name, index, kind, host, from, generation, what, decision, taskId: work.taskId });
  if (kind !== "keep" && decision.code !== LINGERING) work.unsettled = true;
}

/** Code of a change that waits for a host to be heard again, while the slot itself is well. */
export const LINGERING = "wait.lingering";

/** A slot that can't have what it wants now. */
export function addBlocked(work: SetWork, index: number, claim: Claim | null, decision: Decision, wakeInMs: number | null): void {
  addChange(work, "blocked", index, claim, decision);
  wakeIn(work, wakeInMs);
  const stalled = decision.code === "wait.stalled";
  if (!stalled) work.hopeful = true;
  if (stalled || decision.code.startsWith("blocked.")) {
    noteStuck(work, index, decision);
  }
}

/** One problem for all slots of the Set that are stuck for the same reason. */
function noteStuck(work: SetWork, index: number, decision: Decision): void {
  const known = work.stuck.find((entry) => entry.decision.code === decision.code && entry.decision.text === decision.text);
  if (known === undefined) work.stuck.push({ decision, indices: [index] });
  else known.indices.push(index);
}

/** The problems of the Set; to be asked when all slots are done. */
export function problemsOf(work: SetWork): Problem[] {
  const { name } = work.draft;
  const stuck = work.stuck.map(({ decision, indices }): Problem => {
    const one = indices.length === 1;
    const text = one ? decision.text : `${indices.length} slots: ${decision.text}`;
    return { code: decision.code, severity: "error", subject: one ? `slot/${slotKey(name, indices[0]!)}` : `set/${name}`, text };
  });
  return [...work.problems, ...stuck];
}

/** Something is under way: the pass after it decides on. */
export function works(work: SetWork, trigger: TaskTrigger): void {
  work.unsettled = true;
  work.hopeful = true;
  work.trigger ??= trigger;
}

export function wakeIn(work: SetWork, wakeInMs: number | null): void {
  if (wakeInMs !== null && (work.wakeInMs === null || wakeInMs < work.wakeInMs)) work.wakeInMs = wakeInMs;
}
