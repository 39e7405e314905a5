import type { DesiredHost, DesiredSet } from "../core/desired.ts";
import { ERRORS } from "../core/errors/catalogue.ts";
import { UserError } from "../core/errors/user-error.ts";
import { parseSlotKey, slotKey } from "../core/ids.ts";
import type { Claim, Failure, SlotMemory } from "../core/memory.ts";
import type { ObservedInstance } from "../core/observation.ts";
import { compareNumbers } from "../core/order.ts";
import type { Change, Plan, PlanInput, Problem } from "../core/plan.ts";
import { formatBytesRounded, formatCpu, formatDuration } from "../core/units.ts";
import { targetCount, type TargetCount } from "./desired/count.ts";
import { engineText, hostStatus, holdOf, lacksEngine, type HostStatus } from "./fleet/host-status.ts";
import { diskSentences, volumeSentences } from "./explain-volumes.ts";
import { remedy } from "./remedies.ts";
import { plural } from "./render.ts";

/**
 * Why a Set (`web`), a slot (`web/3`) or a host (`host/NAME`) is as it is, what it waits for and what would change that:
 * whole sentences, most important first. Throws a UserError when there is no such thing.
 */
export function explain(input: PlanInput, plan: Plan, subject: string): string[] {
  if (subject.startsWith("host/")) return explainHost(input, plan, subject.slice("host/".length));
  const slot = parseSlotKey(subject);
  if (slot !== null) return explainSlot(input, plan, slot.set, slot.index);
  const known = input.desired.sets.has(subject) || (input.memory.sets.get(subject)?.slots.size ?? 0) > 0;
  if (known) return explainSet(input, plan, subject);
  if (input.desired.hosts.some((host) => host.name === subject)) return explainHost(input, plan, subject);
  throw unknown(subject, "There is no Set or host of that name", "List what there is with: setpoint get sets, setpoint get hosts");
}

function unknown(subject: string, what: string, hint: string): UserError {
  return new UserError("no-such-object", `nothing to explain about '${subject}': ${small(what)}`, hint);
}

function explainSlot(input: PlanInput, plan: Plan, setName: string, index: number): string[] {
  const key = slotKey(setName, index);
  const set = input.desired.sets.get(setName) ?? null;
  const slot = input.memory.sets.get(setName)?.slots.get(index) ?? null;
  const changes = plan.changes.filter((one) => one.set === setName && one.index === index && one.kind !== "keep");
  if (set === null && slot === null) {
    throw unknown(key, `There is no Set '${setName}'`, "List the Sets with: setpoint get sets");
  }
  const lines = slot === null ? absentSlot(input, set, key, index) : placedSlot(input, set, key, slot);
  const failure = input.memory.sets.get(setName)?.failures.get(index);
  if (failure !== undefined) lines.push(failureSentence(failure));
  for (const change of changes) lines.push(...changeSentences(change));
  lines.push(...restoreSentences(input, plan, key));
  if (input.busy.has(key)) lines.push("A step on it is under way now.");
  return [...lines, ...holdSentences(input, setName)];
}

/** What is to come back into the slot from the trash. */
function restoreSentences(input: PlanInput, plan: Plan, slot: string): string[] {
  return [...input.memory.restores].flatMap(([key, { to, who, why, lostAtMs }]) => {
    if (slotKey(to.set, to.index) !== slot) return [];
    const asked = `${who} asked for volume ${to.volume} to come back from ${key}${why === "" ? "" : ` (${why})`}`;
    if (lostAtMs !== null) return [`${asked}, which is gone from the trash.`];
    const waits = plan.problems.find(({ subject, code }) => code === "restore-waits" && subject === `trash/${key}`);
    return [waits === undefined ? `${asked}.` : `${asked}; this ${waits.text}. End it with: setpoint trash restore --cancel ${key}`];
  });
}

function absentSlot(input: PlanInput, set: DesiredSet | null, key: string, index: number): string[] {
  const wanted = set === null ? 0 : wantedSlots(input, set);
  if (index < wanted) return [`${key} is wanted and does not run anywhere yet.`];
  return [`${key} is not wanted: Set ${set?.name ?? key} has ${plural(wanted, "slot")}, numbered from 0.`];
}

function placedSlot(input: PlanInput, set: DesiredSet | null, key: string, slot: SlotMemory): string[] {
  const lines: string[] = [];
  if (slot.current !== null) lines.push(...claimSentences(input, set, key, slot.current));
  else lines.push(`${key} is not wanted any more and is being removed.`);
  for (const claim of slot.former) {
    const { cpuMillis, memoryBytes } = claim.resources;
    const room = `${formatCpu(cpuMillis)} cpu, ${formatBytesRounded(memoryBytes)} memory`;
    lines.push(`Its generation ${claim.generation} on ${claim.host} is not yet seen gone, so it still counts there (${room}).`);
  }
  return lines;
}

function claimSentences(input: PlanInput, set: DesiredSet | null, key: string, claim: Claim): string[] {
  const host = statusOf(input, claim.host);
  const instance = findInstance(host, key, claim.generation);
  const lines = [
    `${key} ${phaseWords(host, instance)} on ${hostWords(host)}, generation ${claim.generation}${claim.ip === null ? "" : `, address ${claim.ip}`}.`,
  ];
  if (claim.why !== "") lines.push(`It was placed there because: ${claim.why}.`);
  if (instance !== null && instance.message !== "") lines.push(`Its host says: ${instance.message}.`);
  if (set !== null && instance !== null && instance.specHash !== set.specHash) lines.push("It is not yet as the newest manifest says.");
  if (set !== null && set.exclusive) {
    lines.push(
      "It owns a volume or a fixed address, so it starts elsewhere only after it is seen gone here, its lease is over, or an operator confirms the host dead.",
    );
  }
  const slot = parseSlotKey(key)!;
  return [...lines, ...volumeSentences(host, set, slot.set, slot.index), ...hostTrouble(host)];
}

function phaseWords(host: HostStatus, instance: ObservedInstance | null): string {
  if (host.reach !== "ok") return "was placed";
  if (instance === null) return "is placed, but does not run yet,";
  if (instance.phase !== "running") return `is ${instance.phase}`;
  return instance.healthy ? "runs and is healthy" : "runs and is not healthy yet";
}

function hostWords({ name, desired }: HostStatus): string {
  if (desired === null) return `${name} (no longer in the manifests)`;
  // A rack is named within its zone; a host without one stands alone.
  const rack = desired.rack.startsWith(`${desired.zone}/`) ? desired.rack.slice(desired.zone.length + 1) : desired.rack;
  return `${name} (zone ${desired.zone}${rack === name ? "" : `, rack ${rack}`})`;
}

/** What is wrong with the host, if anything. */
function hostTrouble(host: HostStatus): string[] {
  const lines: string[] = [];
  if (host.reach === "dead") lines.push(`An operator confirmed ${host.name} dead.`);
  else if (host.observation === null && host.reach !== "ok") lines.push(`Nothing was heard from ${host.name} since the daemon started.`);
  else if (host.reach !== "ok")
    lines.push(`${host.name} has been silent for ${formatDuration(wholeSeconds(host.silentMs))}: what runs there is not known.`);
  if (lacksEngine(host)) lines.push(`${engineText(host)}. On that host, this tells what to do: setpoint agent check`);
  if (host.state === "draining") lines.push(`${host.name} is being drained.`);
  if (host.state === "cordoned") lines.push(`${host.name} is cordoned: nothing new is placed there, what runs stays.`);
  if (host.held !== null) lines.push(`${capital(host.held)}.`);
  return lines;
}

function wholeSeconds(durationMs: number): number {
  return Math.round(durationMs / 1000) * 1000;
}

function failureSentence(failure: Failure): string {
  const where = failure.hosts.length === 0 ? "" : ` on ${failure.hosts.join(", ")}`;
  const count = Math.max(failure.count, failure.tries);
  const fix = ERRORS[failure.code]?.fix;
  return `A step failed ${count === 1 ? "once" : `${count} times in a row`}${where}; last: ${failure.message} [${failure.code}].${fix === undefined ? "" : ` What to do: ${fix}`}`;
}

function changeSentences(change: Change): string[] {
  const why = change.decision.text;
  if (change.kind === "blocked") {
    const mend = remedy(change.decision.code, change.set, change.host);
    return [`It waits: ${why} [${change.decision.code}].`, ...(mend === null ? [] : [mend])];
  }
  const what = change.what === "" ? "" : ` (${change.what})`;
  const sentence = {
    create: `It is to be started on ${change.host}`,
    update: `It is to be changed in place${what}`,
    replace: `It is to be replaced${what}`,
    move: `It is to move from ${change.from} to ${change.host}`,
    remove: "It is to be removed",
    keep: "It stays",
  }[change.kind];
  return [`${sentence}${why === "" ? "" : `, because: ${why}`}.`];
}

function problemSentences(problems: readonly Problem[], subject: string): string[] {
  return problems.filter((problem) => problem.subject === subject).map((problem) => `Problem: ${problem.text} [${problem.code}].`);
}

function holdSentences(input: PlanInput, set: string): string[] {
  const held = holdOf(input, "set", set);
  return held === null ? [] : [`${capital(held)}. End it with: setpoint release ${set}`];
}

function explainSet(input: PlanInput, plan: Plan, name: string): string[] {
  const set = input.desired.sets.get(name) ?? null;
  const memory = input.memory.sets.get(name) ?? null;
  const lines = set === null ? [removedSentence(name, memory?.slots.size ?? 0)] : [countSentence(input, set), readySentence(input, set)];
  if (memory?.task != null)
    lines.push(
      `Task ${memory.task.taskId.slice(0, 8)} (${memory.task.trigger}) is under way; follow it with: setpoint trace ${memory.task.taskId.slice(0, 8)}`,
    );
  const changes = plan.changes.filter((change) => change.set === name && change.kind !== "keep");
  const groups = groupsOf([...changes.filter(isBlocked), ...changes.filter((change) => !isBlocked(change))]);
  for (const { slots, sentences } of groups.slice(0, MOST_SLOTS)) lines.push(`${namesOf(slots)}: ${sentences}`);
  const more = groups.slice(MOST_SLOTS).reduce((sum, { slots }) => sum + slots.length, 0);
  if (more > 0) lines.push(`And ${plural(more, "more slot")}; see: setpoint get slots ${name}`);
  for (const [index, failure] of [...(memory?.failures ?? [])].sort(([a], [b]) => compareNumbers(a, b)).slice(0, MOST_SLOTS)) {
    lines.push(`${slotKey(name, index)}: ${failureSentence(failure)}`);
  }
  return [...lines, ...problemSentences(plan.problems, `set/${name}`), ...holdSentences(input, name)];
}

const MOST_SLOTS = 10;

function isBlocked(change: Change): boolean {
  return change.kind === "blocked";
}

function removedSentence(name: string, slots: number): string {
  return `Set ${name} is no longer in the manifests; ${plural(slots, "slot")} of it ${slots === 1 ? "is" : "are"} to be removed.`;
}

/** Changes that are told in the same words, together; in the order of the first of each. */
function groupsOf(changes: readonly Change[]): { readonly slots: readonly string[]; readonly sentences: string }[] {
  const slots = new Map<string, string[]>();
  for (const change of changes) {
    const sentences = changeSentences(change).join(" ");
    slots.set(sentences, [...(slots.get(sentences) ?? []), slotKey(change.set, change.index)]);
  }
  return [...slots].map(([sentences, slots]) => ({ slots, sentences }));
}

const MOST_NAMES = 4;

function namesOf(slots: readonly string[]): string {
  if (slots.length <= MOST_NAMES) return slots.join(", ");
  return `${slots.slice(0, MOST_NAMES - 1).join(", ")} and ${slots.length - MOST_NAMES + 1} more`;
}

function countSentence(input: PlanInput, set: DesiredSet): string {
  const { count, spare, why, shortfall } = wish(input, set);
  const more = spare === 0 ? "" : `, ${spare} of them so that ${count} stand after the loss of any one zone`;
  const warning = shortfall === null ? "" : ` Not kept: ${shortfall}.`;
  return `Set ${set.name} (${set.source.file}:${set.source.line}) is to have ${plural(count + spare, "Instance")}${more}, by the rule: ${why}.${warning}`;
}

/** How many slots the Set should have now, those that survive the loss of a zone included. */
export function wantedSlots(input: PlanInput, set: DesiredSet): number {
  const { count, spare } = wish(input, set);
  return count + spare;
}

function wish(input: PlanInput, set: DesiredSet): TargetCount {
  const zones = set.placement.zonesSurvive === 0 ? 0 : zonesFor(input, set);
  return targetCount(set, input.memory.sets.get(set.name)?.count ?? null, input.nowMs, zones);
}

function zonesFor({ desired }: PlanInput, set: DesiredSet): number {
  const zones = new Set(desired.hosts.filter((host) => set.pools.includes(host.pool)).map((host) => host.zone));
  return set.placement.zones.length === 0 ? zones.size : set.placement.zones.filter((zone) => zones.has(zone)).length;
}

function readySentence(input: PlanInput, set: DesiredSet): string {
  let [healthy, current] = [0, 0];
  const hosts = new Set<string>();
  for (const [index, slot] of input.memory.sets.get(set.name)?.slots ?? []) {
    if (slot.current === null) continue;
    const host = statusOf(input, slot.current.host);
    const instance = findInstance(host, slotKey(set.name, index), slot.current.generation);
    if (host.reach !== "ok" || instance?.phase !== "running" || !instance.healthy) continue;
    healthy += 1;
    hosts.add(host.name);
    if (instance.specHash === set.specHash && instance.liveHash === set.liveHash) current += 1;
  }
  if (healthy === 0) return "None of them is healthy now.";
  const share = current === healthy ? "all" : current === 0 ? "none" : String(current);
  return `${healthy} ${healthy === 1 ? "is" : "are"} healthy, on ${plural(hosts.size, "host")}; ${share} of them as the newest manifest says.`;
}

function explainHost(input: PlanInput, plan: Plan, name: string): string[] {
  const host = statusOf(input, name);
  if (host.desired === null && host.observation === null && !input.memory.hosts.has(name)) {
    throw unknown(`host/${name}`, `There is no host '${name}'`, "List the hosts with: setpoint get hosts");
  }
  const lines = [`${hostWords(host)} is ${host.reach === "ok" ? "reachable" : reachWords(host)}; its state is ${host.state}.`];
  const memory = input.memory.hosts.get(name);
  if (memory !== undefined && (memory.state !== null || memory.confirmedDeadAtMs !== null))
    lines.push(`${memory.who} said so: ${memory.why}.`);
  const view = input.fleet.get(name);
  if (view !== undefined && view.problem !== "") lines.push(`The connection says: ${view.problem}.`);
  lines.push(...hostTrouble(host));
  lines.push(...hostLoad(input, name, host.desired), ...diskSentences(host));
  if (host.reach !== "ok" && host.reach !== "dead") {
    lines.push(`If that machine is off for good, its slots go on at once with: setpoint host confirm-dead ${name} --why ...`);
  }
  const leaving = plan.changes.filter((change) => change.from === name || (change.host === name && change.kind === "remove"));
  if (leaving.length > 0) lines.push(`${plural(leaving.length, "slot")} ${leaving.length === 1 ? "is" : "are"} to leave it.`);
  if (host.observation !== null && host.observation.foreign.length > 0) {
    lines.push(
      `${plural(host.observation.foreign.length, "container")} on it ${host.observation.foreign.length === 1 ? "is" : "are"} not ours and never touched.`,
    );
  }
  // Its silence and its engine were told above.
  const problems = plan.problems.filter(({ code }) => code !== `host-${host.reach}` && code !== "host-engine");
  return [...lines, ...problemSentences(problems, `host/${name}`)];
}

function reachWords(host: HostStatus): string {
  if (host.reach === "dead") return "confirmed dead";
  return host.reach === "lost" ? "lost" : "silent, not yet lost";
}

function hostLoad(input: PlanInput, name: string, desired: DesiredHost | null): string[] {
  const slots: string[] = [];
  let [cpuMillis, memoryBytes] = [0, 0];
  for (const [set, memory] of input.memory.sets) {
    for (const [index, slot] of memory.slots) {
      for (const claim of [slot.current, ...slot.former]) {
        if (claim?.host !== name) continue;
        slots.push(slotKey(set, index));
        cpuMillis += claim.resources.cpuMillis;
        memoryBytes += claim.resources.memoryBytes;
      }
    }
  }
  if (slots.length === 0) return ["It holds no slots."];
  const shown = slots.sort().slice(0, MOST_SLOTS).join(", ");
  const more = slots.length > MOST_SLOTS ? ` and ${slots.length - MOST_SLOTS} more` : "";
  const cpu = `${formatCpu(cpuMillis)}${desired === null ? "" : ` of ${formatCpu(desired.capacity.cpuMillis)}`} cpu`;
  const memory = `${formatBytesRounded(memoryBytes)}${desired === null ? "" : ` of ${formatBytesRounded(desired.capacity.memoryBytes)}`} memory`;
  return [`It holds ${plural(slots.length, "slot")}: ${shown}${more}.`, `Reserved there: ${cpu}, ${memory}.`];
}

function statusOf(input: PlanInput, name: string): HostStatus {
  return hostStatus(input, name, input.desired.hosts.find((host) => host.name === name) ?? null);
}

function findInstance(host: HostStatus, key: string, generation: number): ObservedInstance | null {
  const found = host.observation?.instances.find((one) => slotKey(one.set, one.index) === key && one.generation === generation);
  return found ?? null;
}

function small(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
