import { slotKey } from "../core/ids.ts";
import type { Action, Change, ChangeKind, HeldDestroys, Plan, Problem } from "../core/plan.ts";

/**
 * A Plan for people and for programs. Pure, and free of times: the same Plan always gives the same bytes.
 */
export const PLAN_FORMATS = ["text", "json", "markdown", "mermaid"] as const;
export type PlanFormat = (typeof PLAN_FORMATS)[number];

/** The Plan in one of the forms, with a newline at its end. */
export function renderPlan(plan: Plan, format: PlanFormat): string {
  switch (format) {
    case "text":
      return renderText(plan);
    case "json":
      return `${JSON.stringify(planJson(plan), null, 2)}\n`;
    case "markdown":
      return renderMarkdown(plan);
    case "mermaid":
      return renderMermaid(plan);
  }
}

/** `nothing`: no work and nothing waits; `stuck`: some of it can't go on without a person or more room. */
export type PlanVerdict = "nothing" | "changes" | "stuck";

export function planVerdict(plan: Plan): PlanVerdict {
  if (plan.held.length > 0 || plan.changes.some(isStuck)) return "stuck";
  return plan.actions.length > 0 || plan.changes.some(isWork) ? "changes" : "nothing";
}

/** An earlier Instance on a silent host, of a slot that is well elsewhere, is nothing that could be done now. */
function isWork({ kind, decision }: Change): boolean {
  return kind !== "keep" && decision.code !== "wait.lingering";
}

/** Waits that end only when a person does something. */
const WAITS_FOR_A_PERSON: ReadonlySet<string> = new Set(["wait.hold", "wait.stalled", "wait.budget"]);

/** Blocked, and not just until a host is heard or other steps of the same work are done. */
export function isStuck({ kind, decision }: Change): boolean {
  return kind === "blocked" && (!decision.code.startsWith("wait.") || WAITS_FOR_A_PERSON.has(decision.code));
}

/** One line per slot, aligned; then what was held back, and what is wrong. */
function renderText(plan: Plan): string {
  const lines = [planHeading(plan), ...changeLines(plan.changes)];
  if (plan.unchanged > 0 && plan.changes.length > 0) lines.push(`  ${plural(plan.unchanged, "slot")} of other Sets: nothing to do`);
  if (plan.changes.length === 0) lines.push(nothingLine(plan));
  else lines.push("", `  ${planSummary(plan)}`);
  lines.push(...heldLines(plan.held), ...problemLines(plan.problems));
  return `${lines.join("\n")}\n`;
}

/** `plan 7c1e  revision 9c1d04f  task 4bf92f35`. */
function planHeading(plan: Plan): string {
  const tasks = taskIds(plan);
  const parts = [`plan ${plan.hash.slice(0, 4)}`, `revision ${shortCommit(plan.commit)}`];
  if (tasks.length === 1) parts.push(`task ${tasks[0]!.slice(0, 8)}`);
  if (tasks.length > 1) parts.push(`tasks ${tasks.length}`);
  return parts.join("  ");
}

/** As git shows it; the content hash of a plain folder (`dir-...`) whole. */
export function shortCommit(commit: string): string {
  return commit.startsWith("dir-") ? commit : commit.slice(0, 7);
}

/** `2 to create, 1 to replace, 1 blocked; 14 steps`. */
export function planSummary(plan: Plan): string {
  const counts = changeCounts(plan.changes);
  const parts = SUMMARY_WORDS.flatMap(([kind, words]) => (counts[kind] === 0 ? [] : [`${counts[kind]} ${words}`]));
  const stuck = plan.changes.filter(isStuck).length;
  if (stuck > 0) parts.push(`${stuck} blocked`);
  if (counts.blocked > stuck) parts.push(`${counts.blocked - stuck} waiting`);
  const work = parts.length === 0 ? `nothing to do for ${plural(counts.keep, "slot")}` : parts.join(", ");
  return plan.actions.length === 0 ? work : `${work}; ${plural(plan.actions.length, "step")}`;
}

const SUMMARY_WORDS: readonly (readonly [ChangeKind, string])[] = [
  ["create", "to create"],
  ["update", "to update in place"],
  ["replace", "to replace"],
  ["move", "to move"],
  ["remove", "to remove"],
];

/** How many changes there are of each kind. */
export function changeCounts(changes: readonly Change[]): Record<ChangeKind, number> {
  const counts: Record<ChangeKind, number> = { keep: 0, create: 0, update: 0, replace: 0, move: 0, remove: 0, blocked: 0 };
  for (const change of changes) counts[change.kind] += 1;
  return counts;
}

/** Longer cells don't push the columns of all other lines. */
const WIDEST_CELL = 44;

function changeLines(changes: readonly Change[]): string[] {
  const rows = changes.map((change) => [slotKey(change.set, change.index), change.kind, hostCell(change), change.what, reason(change)]);
  const widths = [0, 1, 2, 3].map((column) =>
    Math.min(
      WIDEST_CELL,
      rows.reduce((widest, row) => Math.max(widest, row[column]!.length), 0),
    ),
  );
  return rows.map((row) => {
    const cells = row.slice(0, 4).map((cell, column) => cell.padEnd(widths[column]!));
    return `  ${cells.filter((_, column) => column < 3 || widths[column]! > 0).join("  ")}  ${row[4]}`.trimEnd();
  });
}

function hostCell(change: Change): string {
  if (change.host === null) return change.from ?? "-";
  return change.from === null || change.from === change.host ? change.host : `${change.from} -> ${change.host}`;
}

/** The Decision; a slot that stays as it is needs no reason. */
function reason(change: Change): string {
  const { code, text } = change.decision;
  if (text === "") return "";
  if (code === change.kind) return text;
  return `${code === "blocked.capacity" ? "place" : code.split(".").at(-1)}: ${text}`;
}

function nothingLine(plan: Plan): string {
  return plan.unchanged === 0 ? "  nothing to do: there are no slots" : `  nothing to do: ${plural(plan.unchanged, "slot")} as desired`;
}

function heldLines(held: readonly HeldDestroys[]): string[] {
  if (held.length === 0) return [];
  const lines = held.map((one) => `  ${heldSentence(one)}; go on with: setpoint confirm ${one.hash}`);
  return ["", "held, over budget:", ...lines];
}

/** `pool main, zone a: 12 destroys, budget 2`. */
export function heldSentence(held: HeldDestroys): string {
  return `pool ${held.pool}, zone ${held.zone}: ${plural(held.destroys, "destroy", "destroys")}, budget ${held.budget}`;
}

function problemLines(problems: readonly Problem[]): string[] {
  if (problems.length === 0) return [];
  const width = Math.max(...problems.map((problem) => problem.subject.length));
  const lines = problems.map(
    (problem) => `  ${problem.severity.padEnd(7)}  ${problem.subject.padEnd(width)}  ${problem.text}  [${problem.code}]`,
  );
  return ["", "problems:", ...lines];
}

/** The documented JSON shape (docs/CLI.md). What carries a time or repeats the manifests is left out. */
function planJson(plan: Plan): object {
  return {
    hash: plan.hash,
    commit: plan.commit,
    verdict: planVerdict(plan),
    summary: { ...changeCounts(plan.changes), unchanged: plan.unchanged, actions: plan.actions.length },
    changes: plan.changes.map((change) => ({
      slot: slotKey(change.set, change.index),
      kind: change.kind,
      host: change.host,
      from: change.from,
      generation: change.generation,
      what: change.what,
      decision: { code: change.decision.code, text: change.decision.text },
      task: change.taskId,
    })),
    actions: plan.actions.map(actionJson),
    held: plan.held.map(({ pool, zone, destroys, budget, hash }) => ({ pool, zone, destroys, budget, hash })),
    problems: plan.problems.map(({ code, severity, subject, text }) => ({ code, severity, subject, text })),
  };
}

function actionJson(action: Action): object {
  return {
    number: action.number,
    kind: action.kind,
    slot: slotKey(action.set, action.index),
    generation: action.generation,
    host: action.host,
    detail: actionDetail(action),
    needs: action.needs,
    task: action.taskId,
  };
}

/** What the step is about, beyond its slot and host: an image, a volume, an address; empty when there is nothing more. */
function actionDetail(action: Action): string {
  switch (action.kind) {
    case "pullImage":
      return action.image;
    case "createVolume":
    case "growVolume":
      return `${action.volume} ${action.sizeBytes} bytes`;
    case "trashVolume":
      return action.volume;
    case "restoreVolume":
      return `${action.volume} from ${action.trashId}`;
    case "purgeVolume":
      return action.trashId;
    case "attachPort":
      return action.ip;
    case "startInstance":
      return action.spec.template.containers.map((container) => container.image).join(" ");
    case "replaceContainers":
      return action.containers.join(" ");
    case "updateLive":
    case "awaitHealthy":
    case "stopInstance":
    case "removeInstance":
    case "confirmGone":
    case "detachPort":
      return "";
  }
}

/** For a comment in a code review. */
function renderMarkdown(plan: Plan): string {
  const lines = [`**${planHeading(plan)}**: ${plan.changes.length === 0 ? nothingLine(plan).trim() : planSummary(plan)}`, ""];
  if (plan.changes.length > 0) lines.push("| slot | change | host | what | why |", "|---|---|---|---|---|");
  for (const change of plan.changes) {
    const cells = [slotKey(change.set, change.index), change.kind, hostCell(change), change.what, reason(change)];
    lines.push(`| ${cells.map(markdownCell).join(" | ")} |`);
  }
  if (plan.unchanged > 0 && plan.changes.length > 0) lines.push("", `${plural(plan.unchanged, "slot")} of other Sets: nothing to do.`);
  for (const held of plan.held) lines.push("", `**Held:** ${heldSentence(held)}; go on with \`setpoint confirm ${held.hash}\`.`);
  if (plan.problems.length > 0) lines.push("");
  for (const problem of plan.problems)
    lines.push(`- **${problem.severity}** \`${problem.subject}\`: ${markdownCell(problem.text)} (\`${problem.code}\`)`);
  return `${lines.join("\n").trimEnd()}\n`;
}

function markdownCell(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", " ");
}

/** Mermaid refuses more than 500 edges in its default settings. */
const MOST_NODES = 150;

/** The action graph. Only the first steps of a long plan are drawn, and the picture says so. */
function renderMermaid(plan: Plan): string {
  const shown = plan.actions.slice(0, MOST_NODES);
  const lines = ["flowchart LR"];
  if (shown.length === 0) lines.push(`  nothing["${mermaidText(nothingLine(plan).trim())}"]`);
  for (const [slot, actions] of groupBySlot(shown)) {
    lines.push(`  subgraph s${actions[0]!.number}["${mermaidText(slot)}"]`);
    for (const action of actions) lines.push(`    a${action.number}["${mermaidText(actionLabel(action))}"]`);
    lines.push("  end");
  }
  for (const action of shown) {
    for (const need of action.needs) lines.push(`  a${need} --> a${action.number}`);
  }
  const rest = plan.actions.length - shown.length;
  if (rest > 0) lines.push(`  more["and ${plural(rest, "more step", "more steps")}"]`);
  return `${lines.join("\n")}\n`;
}

/** In order of first appearance. */
function groupBySlot(actions: readonly Action[]): Map<string, Action[]> {
  const groups = new Map<string, Action[]>();
  for (const action of actions) {
    const key = slotKey(action.set, action.index);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [action]);
    else group.push(action);
  }
  return groups;
}

function actionLabel(action: Action): string {
  const detail = actionDetail(action);
  return `${action.kind}${detail === "" ? "" : ` ${detail}`} @ ${action.host}`;
}

function mermaidText(text: string): string {
  return text.replaceAll('"', "#quot;").replaceAll("<", "#lt;");
}

/** Ids of the Tasks the changes belong to, in order of appearance. */
function taskIds(plan: Plan): string[] {
  const open = plan.changes.filter((change) => change.kind !== "keep" && change.taskId !== "");
  return [...new Set(open.map((change) => change.taskId))];
}

/** `1 slot`, `2 slots`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
