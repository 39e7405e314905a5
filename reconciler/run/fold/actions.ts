import type { Failure } from "../../core/memory.ts";
import { sortedUnique } from "../../core/order.ts";
import { type Draft, type EventOf, refuse, replaceSet, setOf } from "./draft.ts";
import { restoreBegun } from "./trash.ts";

type Trouble = Pick<Failure, "code" | "message" | "lastAtMs" | "input" | "generation"> & {
  readonly host: string;
  /** False for a lost reply, or an engine that is away, which tell nothing of the object: it adds to `tries` only. */
  readonly counts: boolean;
  /** The engine was away when what had crashed was to be started: no new try, so its crash will be counted again with the next. */
  readonly uncounts: boolean;
};

/** What a host answers when it could not try, or lacks what its operator can put there: nothing is wrong with the object. */
const OF_HOST: ReadonlySet<string> = new Set([
  "agent-state",
  "engine-busy",
  "engine-silent",
  "engine-timeout",
  "engine-unreachable",
  "host-busy",
  "network-failed",
  "no-infra-image",
  "runtime-missing",
  "secret-exposed",
  "secret-missing",
  "secret-store",
  "secret-unusable",
]);

/** Of these a full disk is the engine's, which its operator can free; a volume that has no room asks for too much. */
const NEED_ENGINE_DISK: ReadonlySet<string> = new Set(["pullImage", "startInstance", "replaceContainers"]);

export function planStarted(draft: Draft): void {
  draft.plans += 1;
}

export function actionStarted(draft: Draft, event: EventOf<"action.started">): void {
  if (draft.running.has(event.id)) refuse(draft, event, `action ${event.id} runs already`);
  const { id, kind, host, set, index, generation, taskId } = event;
  draft.running.set(id, { id, kind, host, set, index, generation, taskId, startedAtMs: event.atMs });
  if (kind === "restoreVolume") restoreBegun(draft, host, set, index);
}

export function actionEnded(draft: Draft, event: EventOf<"action.ended">): void {
  const action = draft.running.get(event.id);
  if (action === undefined) refuse(draft, event, `action ${event.id} was not started, or ended before`);
  draft.running.delete(event.id);
  if (event.outcome === "done") return;
  const { code, message, input, atMs: lastAtMs } = event;
  const trouble = { code, message, input, lastAtMs, host: action.host, generation: action.generation };
  const ofHost = OF_HOST.has(code) || (code === "disk-full" && NEED_ENGINE_DISK.has(action.kind));
  const counts = event.outcome !== "unknown" && !ofHost;
  addFailure(draft, action.set, action.index, { ...trouble, counts, uncounts: ofHost && action.kind === "startInstance" });
}

export function slotCrashed(draft: Draft, event: EventOf<"slot.crashed">): void {
  const { code, message, input, host, atMs: lastAtMs } = event;
  const generation = draft.sets.get(event.set)?.slots.get(event.index)?.current?.generation ?? 0;
  addFailure(draft, event.set, event.index, { code, message, input, lastAtMs, host, generation, counts: true, uncounts: false });
}

export function slotSettled(draft: Draft, event: EventOf<"slot.settled">): void {
  const set = draft.sets.get(event.set);
  if (set?.failures.delete(event.index) === true) replaceSet(draft, event.set, set);
}

function addFailure(draft: Draft, name: string, index: number, trouble: Trouble): void {
  const set = setOf(draft, name);
  set.failures.set(index, nextFailure(set.failures.get(index), trouble));
  replaceSet(draft, name, set);
}

/**
 * One more failure in a row of the slot. Counted by input alone, whatever the code: two reasons that take turns
 * must reach Stalled as well. A lost reply does not hide the reason of a failure that counts.
 */
function nextFailure(before: Failure | undefined, trouble: Trouble): Failure {
  const { host, counts, uncounts, ...last } = trouble;
  if (before?.input !== trouble.input) return { ...last, count: counts ? 1 : 0, tries: 1, hosts: [host] };
  const { code, message } = counts || before.count === 0 ? last : before;
  const hosts = sortedUnique([...before.hosts, host]);
  const count = Math.max(0, before.count + (counts ? 1 : 0) - (uncounts && before.code === "crashed" ? 1 : 0));
  return { ...last, code, message, count, tries: before.tries + 1, hosts };
}
