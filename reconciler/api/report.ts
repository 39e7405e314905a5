import { parseSlotKey } from "../core/ids.ts";
import type { JournalEvent } from "../core/events.ts";
import { sortedBy } from "../core/order.ts";
import type { Change, Problem } from "../core/plan.ts";
import { UserError } from "../core/errors/user-error.ts";
import { changeCounts, isStuck, planVerdict, shortCommit } from "../plan/render.ts";
import { holdRows, hostRows, poolRows, revisionRows, seenInstances, setRows, slotRows, type Picture } from "./rows.ts";
import { taskRows } from "./tasks.ts";
import { trashRows } from "./trash.ts";
import type { ObjectKind, ObjectRows, StatusReport, TaskRow, WaitRow } from "./types.ts";

/** How the fleet stands, in numbers and in what needs a person. */
export function statusReport(picture: Picture, fleet: string, recentTasks: readonly JournalEvent[]): StatusReport {
  const { input, plan } = picture;
  const sets = setRows(picture, seenInstances(input));
  const hosts = hostRows(picture);
  const { keep: _, blocked, ...changes } = changeCounts(plan.changes);
  const stuck = plan.changes.filter(isStuck).length;
  return {
    fleet,
    state: stateWord(picture),
    commit: input.memory.revision?.commit ?? null,
    rejected: input.memory.rejected,
    sets: { total: sets.length, ready: sets.filter((set) => set.state === "ready").length },
    instances: {
      wanted: sets.reduce((sum, set) => sum + set.wanted, 0),
      ready: sets.reduce((sum, set) => sum + Math.min(set.ready, set.wanted), 0),
    },
    hosts: { total: hosts.length, reachable: hosts.filter((host) => host.reachable).length },
    actionsRunning: input.memory.running.size,
    changes: { ...changes, blocked: stuck, waiting: blocked - stuck },
    waits: waitRows(plan.changes),
    tasks: openTasks(taskRows(recentTasks)),
    held: plan.held,
    holds: holdRows(picture),
    restores: trashRows(picture).filter(({ restore }) => restore !== null),
    problems: problemRows(picture),
  };
}

function stateWord({ input, plan }: Picture): StatusReport["state"] {
  if (input.memory.revision === null || plan.hash === "") return "starting";
  if (input.busy.size > 0 || plan.actions.length > 0) return "working";
  const verdict = planVerdict(plan);
  if (verdict === "nothing") return "converged";
  return verdict === "stuck" ? "blocked" : "working";
}

function waitRows(changes: readonly Change[]): WaitRow[] {
  const rows = new Map<string, WaitRow>();
  for (const { kind, set, decision } of changes) {
    if (kind !== "blocked") continue;
    const key = `${set} ${decision.code}`;
    const { slots, why } = rows.get(key) ?? { slots: 0, why: decision.text };
    rows.set(key, { set, slots: slots + 1, code: decision.code, why });
  }
  return [...rows.values()];
}

function openTasks(tasks: readonly TaskRow[]): TaskRow[] {
  return tasks.filter((task) => task.verdict === null);
}

/** What the plan found wrong, and why the newest commit does not run. */
function problemRows({ input, plan }: Picture): Problem[] {
  const { rejected } = input.memory;
  const known = plan.problems.some((problem) => problem.subject === "source");
  if (rejected === null || known) return [...plan.problems];
  const commit = rejected.commit === null ? "the source" : `commit ${shortCommit(rejected.commit)}`;
  return [
    { code: "revision-rejected", severity: "error", subject: "source", text: `${commit} is not used: ${rejected.why}` },
    ...plan.problems,
  ];
}

/** Rows of one kind; with a name only those it stands for, and an error when there are none. */
export function objectRows<Kind extends ObjectKind>(
  kind: Kind,
  name: string | null,
  picture: Picture,
  recentTasks: readonly JournalEvent[],
): ObjectRows[Kind] {
  const rows = allRows(kind, picture, recentTasks) as ObjectRows[Kind];
  if (name === null) return rows;
  const named = rows.filter((row) => matches(kind, row, name)) as unknown as ObjectRows[Kind];
  if (named.length === 0 && kind !== "problems")
    throw new UserError("no-such-object", `${kind} has no '${name}'`, `List all with: setpoint get ${kind}`);
  return named;
}

function allRows(kind: ObjectKind, picture: Picture, recentTasks: readonly JournalEvent[]): ObjectRows[ObjectKind] {
  switch (kind) {
    case "sets":
      return setRows(picture, seenInstances(picture.input));
    case "slots":
      return slotRows(picture, seenInstances(picture.input));
    case "hosts":
      return hostRows(picture);
    case "pools":
      return poolRows(picture);
    case "tasks":
      return taskRows(recentTasks);
    case "revisions":
      return revisionRows(picture);
    case "holds":
      return holdRows(picture);
    case "trash":
      return trashRows(picture);
    case "problems":
      return sortedBy(problemRows(picture), (problem) => `${problem.subject} ${problem.code} ${problem.text}`);
  }
}

/** A Set's name stands for its slots and Tasks too, a host's or pool's for what lies in it. */
function matches(kind: ObjectKind, row: ObjectRows[ObjectKind][number], name: string): boolean {
  const values = Object.values(row as unknown as Record<string, unknown>);
  if (kind === "slots" && parseSlotKey(name) === null)
    return (row as { slot: string }).slot.startsWith(`${name}/`) || values.includes(name);
  if (kind === "tasks")
    return values.some((value) => typeof value === "string" && value !== "" && (value === name || value.startsWith(name)));
  return values.includes(name) || values.some((value) => typeof value === "string" && value.endsWith(`/${name}`));
}
