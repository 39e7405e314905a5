import type { EventBody } from "../core/events.ts";
import type { Problem } from "../core/plan.ts";
import { planSummary, planVerdict, plural, shortCommit } from "../plan/render.ts";
import type { Reconciler, ReconcilerEvent, ReconcilerView } from "../run/reconciler.ts";
import type { Clock } from "../run/ports.ts";
import type { LiveEvent } from "./types.ts";

/** Shortest time between two lines of progress. */
const PROGRESS_EVERY_MS = 1000;

interface Story {
  readonly reconciler: Pick<Reconciler, "view" | "settled">;
  readonly ended: AbortSignal;
  readonly clock: Clock;
  readonly tell: (event: LiveEvent) => void;
  /** Tasks opened since the last plan was told. */
  opened: number;
  /** Wall clock at which the present work began; null: nothing is under way. */
  busySinceMs: number | null;
  toldProgressAtMs: number;
  /** Problems of the newest plan, by subject and code. */
  problems: ReadonlyMap<string, Problem>;
}

/** Tells a listener, in few lines, what a reconciler does; returns how to stop that. */
export function tellLive(
  reconciler: Pick<Reconciler, "view" | "onEvent" | "settled">,
  clock: Clock,
  tell: (event: LiveEvent) => void,
): () => void {
  const end = new AbortController();
  const story: Story = {
    reconciler,
    clock,
    tell,
    ended: end.signal,
    opened: 0,
    busySinceMs: null,
    toldProgressAtMs: 0,
    problems: new Map(),
  };
  const stop = reconciler.onEvent((event) => hear(story, event));
  return () => {
    end.abort();
    stop();
  };
}

function hear(story: Story, event: ReconcilerEvent): void {
  if (event.type === "journalled") return hearJournal(story, event.event);
  const { plan, violations } = event.result;
  for (const violation of violations)
    story.tell({
      type: "problem",
      atMs: story.clock.now(),
      text: `plan refused by the check: ${violation.text.split("\n")[0]} [${violation.code}]`,
    });
  if (plan === null) return;
  tellProblems(story, plan.problems);
  if (story.opened > 0) {
    const changes = plan.changes.filter((change) => change.kind !== "keep");
    story.tell({ type: "plan", atMs: story.clock.now(), changes, text: `plan ${plan.hash.slice(0, 4)}: ${planSummary(plan)}` });
    story.opened = 0;
    if (story.busySinceMs === null) awaitEnd(story);
  }
  if (story.busySinceMs !== null) tellProgress(story, story.reconciler.view());
}

const MOST_PROBLEMS = 5;

/** Problems that are new since the pass before, and those that are over. */
function tellProblems(story: Story, problems: readonly Problem[]): void {
  const before = story.problems;
  story.problems = new Map(problems.map((problem) => [`${problem.subject} ${problem.code}`, problem]));
  const came = [...story.problems].filter(([key]) => !before.has(key)).map(([, { subject, text }]) => `${subject}: ${text}`);
  const went = [...before]
    .filter(([key]) => !story.problems.has(key))
    .map(([, { subject, code }]) => `${subject}: no longer ${code.replace(/^host-/, "")}`);
  const lines = [...came, ...went];
  const atMs = story.clock.now();
  for (const text of lines.slice(0, MOST_PROBLEMS)) story.tell({ type: "problem", atMs, text });
  if (lines.length > MOST_PROBLEMS)
    story.tell({ type: "problem", atMs, text: `and ${lines.length - MOST_PROBLEMS} more; see: setpoint get problems` });
}

/** Work began: tells when it is over. */
function awaitEnd(story: Story): void {
  const { reconciler, clock, ended } = story;
  const sinceMs = clock.now();
  story.busySinceMs = sinceMs;
  const tellEnd = (): void => {
    const view = reconciler.view();
    const atMs = clock.now();
    story.busySinceMs = null;
    const took = `${((atMs - sinceMs) / 1000).toFixed(1)} s`;
    story.tell({ type: "settled", atMs, text: `${endWords(view, took)}: ${runningWords(view)}` });
  };
  // Rejects when the listener or the reconciler ends: nobody is left to be told.
  reconciler.settled(ended).then(tellEnd, () => {});
}

function tellProgress(story: Story, view: ReconcilerView): void {
  const nowMs = story.clock.now();
  if (nowMs - story.toldProgressAtMs < PROGRESS_EVERY_MS) return;
  story.toldProgressAtMs = nowMs;
  const done = healthyInstances(view);
  const total = placedSlots(view);
  const steps = view.inFlight.length === 0 ? "" : `, ${plural(view.inFlight.length, "step")} under way`;
  story.tell({ type: "progress", atMs: nowMs, done, total, text: `${done} of ${plural(total, "Instance")} ready${steps}` });
}

function endWords({ pass }: ReconcilerView, took: string): string {
  const plan = pass?.plan ?? null;
  if (plan === null || planVerdict(plan) === "nothing") return `converged after ${took}`;
  const waiting = plan.changes.filter((change) => change.kind === "blocked").length;
  const held = plan.held.length > 0 ? ", destroys wait to be confirmed" : "";
  return `at rest after ${took}${waiting > 0 ? `, ${plural(waiting, "slot")} still waiting (see: setpoint status)` : ""}${held}`;
}

function runningWords(view: ReconcilerView): string {
  const sets = view.desired?.sets.size ?? 0;
  const hosts = view.desired?.hosts.length ?? 0;
  return `${plural(healthyInstances(view), "Instance")} of ${plural(sets, "Set")} on ${plural(hosts, "host")}`;
}

function healthyInstances(view: ReconcilerView): number {
  let count = 0;
  for (const { observation, problem } of view.fleet.values()) {
    if (observation === null || problem !== "") continue;
    for (const instance of observation.instances) if (instance.phase === "running" && instance.healthy) count += 1;
  }
  return count;
}

/** Claims and slots that are about to be placed. */
function placedSlots(view: ReconcilerView): number {
  let count = 0;
  for (const set of view.memory.sets.values()) for (const slot of set.slots.values()) if (slot.current !== null) count += 1;
  return count;
}

/** What operators look for, as lines; claims, counts and single steps that went well make none. */
function hearJournal(story: Story, event: EventBody): void {
  if (event.type === "task.opened") story.opened += 1;
  const line = journalLine(event);
  if (line !== null) story.tell({ ...line, atMs: story.clock.now() });
}

type Line =
  | { readonly type: "revision"; readonly commit: string; readonly text: string }
  | { readonly type: "rejected"; readonly commit: string | null; readonly text: string }
  | { readonly type: "problem" | "operator"; readonly text: string };

function journalLine(event: EventBody): Line | null {
  switch (event.type) {
    case "revision.accepted":
      return { type: "revision", commit: event.commit, text: `revision ${shortCommit(event.commit)} is valid and counts now` };
    case "revision.rejected":
      return {
        type: "rejected",
        commit: event.commit,
        text: `${event.commit === null ? "the source" : `commit ${shortCommit(event.commit)}`} is not used: ${event.why}`,
      };
    case "action.ended":
      return event.outcome === "done"
        ? null
        : {
            type: "problem",
            text: `a step ${event.outcome === "unknown" ? "got no answer" : event.outcome}: ${event.message} [${event.code}]`,
          };
    case "slot.crashed":
      return { type: "problem", text: `${event.set}/${event.index} crashed on ${event.host}: ${event.message}` };
    case "hold.placed":
      return { type: "operator", text: `${event.hold.who} holds ${event.hold.scope} ${event.hold.name}: ${event.hold.why}` };
    case "hold.released":
      return { type: "operator", text: `${event.who} released ${event.scope} ${event.name}` };
    case "host.state":
      return {
        type: "operator",
        text: `${event.who} ${event.state === null ? "gave back" : `set to ${event.state}`} host ${event.host}${event.why === "" ? "" : `: ${event.why}`}`,
      };
    case "host.dead":
      return { type: "operator", text: `${event.who} confirmed host ${event.host} dead: ${event.why}` };
    case "host.returned":
      return { type: "problem", text: `host ${event.host}, confirmed dead, speaks again` };
    case "destroys.confirmed":
      return { type: "operator", text: `${event.who} confirmed the destroys ${event.hash}` };
    case "restore.asked":
    case "restore.cancelled":
    case "restore.ended":
    case "purge.asked":
    case "purge.ended":
      return trashLine(event);
    case "task.opened":
    case "task.closed":
    case "plan.started":
    case "host.inventoried":
    case "set.counted":
    case "slot.placed":
    case "slot.adopted":
    case "slot.resized":
    case "slot.retired":
    case "slot.cleared":
    case "slot.settled":
    case "action.started":
      return null;
  }
}

function trashLine(
  event: Extract<EventBody, { type: "restore.asked" | "restore.cancelled" | "restore.ended" | "purge.asked" | "purge.ended" }>,
): Line {
  const reason = (why: string): string => (why === "" ? "" : `: ${why}`);
  switch (event.type) {
    case "restore.asked": {
      const { who, why, host, trashId, to } = event.restore;
      return { type: "operator", text: `${who} wants ${host}/${trashId} back as ${to.volume} of ${to.set}/${to.index}${reason(why)}` };
    }
    case "restore.cancelled":
      return { type: "operator", text: `${event.who} no longer wants ${event.host}/${event.trashId} back${reason(event.why)}` };
    case "restore.ended": {
      const { host, trashId, set, index, outcome } = event;
      if (outcome === "done") return { type: "operator", text: `${set}/${index} has its volume back from ${host}/${trashId}` };
      return { type: "problem", text: `${host}/${trashId}, to be restored into ${set}/${index}, is gone from the trash` };
    }
    case "purge.asked": {
      const { who, why, host, trashId } = event.purge;
      return { type: "operator", text: `${who} lets ${host}/${trashId} be destroyed${reason(why)}` };
    }
    case "purge.ended":
      return { type: "operator", text: `${event.host}/${event.trashId} is destroyed` };
  }
}
