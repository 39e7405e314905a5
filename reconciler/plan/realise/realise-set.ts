import type { DesiredSet } from "../../core/desired.ts";
import type { Claim, TaskTrigger } from "../../core/memory.ts";
import type { Decision } from "../../core/plan.ts";
import { failureOf, instanceOf } from "../diff/assess.ts";
import type { Assessment } from "../diff/assessment.ts";
import { givesUpData } from "../diff/restore.ts";
import { dropsData, hasData, volumesOn, type SlotFacts } from "../diff/slot-facts.ts";
import { factsOf, type SetDraft } from "../set-draft.ts";
import { awaitHealthy, bringUp, pullSteps, recreate, updateInPlace } from "../steps/instance-steps.ts";
import { NOTHING_BACK, type VolumeWork } from "../steps/volume-steps.ts";
import { diskOn, refusedShrinks, unwantedVolumes } from "../volumes/on-host.ts";
import { goalOf, taskEvents, taskIdFor } from "../task.ts";
import { clearFormers } from "./formers.ts";
import { createLanes, type Lanes } from "./lanes.ts";
import { findPlaces, newClaim, type Placements } from "./placements.ts";
import { unenforcedOn } from "../diff/unenforced.ts";
import { claimFits } from "../diff/claim-fits.ts";
import { noteProblems } from "./notes.ts";
import { makeRoom } from "./reclaim.ts";
import { restoringOn } from "./restores.ts";
import { describeRestoring } from "./restoring.ts";
import { reservationOf } from "./room.ts";
import { addBlocked, addChange, createSetWork, ownerOf, wakeIn, works, type PassContext, type SetWork } from "./set-work.ts";

/** Turns a draft into changes, steps and journal events. */
export function realiseSet(pass: PassContext, draft: SetDraft): SetWork {
  const { commit } = pass.fleet.input.desired.revision;
  const goal = goalOf(draft.set, draft.total);
  const work = createSetWork(pass, draft, taskIdFor(draft.name, draft.memory, goal, commit));
  const found = draft.set === null ? null : findPlaces(work, draft.set);
  const lanes = createLanes(draft.set, draft.total, unavailableSlots(draft));
  for (const [index, original] of draft.assessments) {
    const assessment = found?.converted.get(index) ?? original;
    realiseSlot({ work, slot: factsOf(draft, index), lanes, placements: found?.placements ?? new Map() }, assessment);
  }
  noteProblems(work);
  countElastic(work);
  finishTask(work, goal, commit);
  return work;
}

/** The slot's own change says it all. */
const PART = "part of another change";

interface SlotJob {
  readonly work: SetWork;
  readonly slot: SlotFacts;
  readonly lanes: Lanes;
  readonly placements: Placements;
}

/** Wanted slots that have a host and whose Instance does not serve now, those with a step under way among them. */
function unavailableSlots(draft: SetDraft): number {
  let count = 0;
  for (const [index, assessment] of draft.assessments) {
    if (index >= draft.total) continue;
    const slot = factsOf(draft, index);
    // One that never found a host is no loss of what runs: it must not hold up the others.
    if (slot.current === null) continue;
    const serves = assessment.kind !== "busy" && (serving(draft, slot, slot.current) || isUnbegun(draft, slot));
    if (!serves) count++;
  }
  return count;
}

/** A claim's Instance runs and is healthy, on a host that is heard. */
function serving({ context }: SetDraft, slot: SlotFacts, claim: Claim): boolean {
  const instance = instanceOf(slot, claim);
  return context.hostOf(claim.host).reach === "ok" && instance?.phase === "running" && instance.healthy;
}

/** The slot has a new claim of which nothing was tried yet, and an earlier generation serves: it waits for its turn. */
function isUnbegun(draft: SetDraft, slot: SlotFacts): boolean {
  if (slot.current === null || instanceOf(slot, slot.current) !== null || failureOf(draft.context, slot) !== null) return false;
  return slot.former.some((former) => serving(draft, slot, former));
}

function realiseSlot(job: SlotJob, assessment: Assessment): void {
  const { work, slot } = job;
  switch (assessment.kind) {
    case "keep":
      return keepSlot(job, assessment);
    case "busy":
      addChange(work, "keep", slot.index, slot.current ?? slot.former.at(-1) ?? null, assessment.decision);
      work.unsettled = true;
      work.hopeful = true;
      return;
    case "wait":
      addBlocked(work, slot.index, slot.current, assessment.decision, assessment.wakeInMs);
      if (assessment.decision.code === "wait.former") clearFormers(work, slot, slot.former, null, [], PART);
      else clearBeside(job);
      return;
    case "place":
      return placeSlot(job, assessment);
    case "restart":
      return restartSlot(job, assessment);
    case "replace":
      return assessment.difference.reach === "infra" ? replaceInstance(job, assessment) : replaceContainers(job, assessment);
    case "update":
      return updateSlot(job, assessment);
    case "retire":
      return retireSlot(job, assessment.decision);
    default:
      return assessment satisfies never;
  }
}

function keepSlot(job: SlotJob, assessment: Extract<Assessment, { kind: "keep" }>): void {
  const { work, slot } = job;
  if (slot.current !== null) addChange(work, "keep", slot.index, slot.current, assessment.decision);
  if (slot.current !== null) keepClaim(job, slot.current);
  if (assessment.settles) work.events.push({ type: "slot.settled", set: work.draft.name, index: slot.index });
  wakeIn(work, assessment.wakeInMs);
  clearFormers(work, slot, slot.former, slot.current, [], "announce");
}

/** A claim that says something else of the disk than what is there is put right: a volume that went to the trash, or one that is larger than asked for. */
function keepClaim(job: SlotJob, current: Claim): void {
  const { set } = job.work.draft;
  const here = volumesOn(job.slot, current.host);
  if (set === null || current.resources.diskBytes === diskOn(set, here)) return;
  resized(job, set, current);
}

const SURPLUS: Decision = { code: "wait.surplus", text: "slots the Set no longer wants still run: they have to go first" };

/** A new host for the slot: its first, or another one. */
function placeSlot(job: SlotJob, assessment: Extract<Assessment, { kind: "place" }>): void {
  const { work, slot, lanes } = job;
  const set = work.draft.set!;
  const place = job.placements.get(slot.index);
  if (place === undefined) return addBlocked(work, slot.index, slot.current, SURPLUS, null);
  if (place.host === null) {
    const text = [assessment.cause === "move" ? assessment.decision.text : "", place.text].filter((part) => part !== "").join("; ");
    const code = assessment.restores.length > 0 ? "blocked.restore" : "blocked.capacity";
    return addBlocked(work, slot.index, slot.current, { code, text }, null);
  }
  const gives = givesUpData(slot, assessment) || (assessment.cause === "create" && dropsData(set, slot));
  if (gives && isOverBudget(job, "its volume would go to the trash")) return;
  const disruptive = assessment.disruptive && (isServing(slot) || isUnbegun(work.draft, slot));
  const turn = disruptive ? lanes.next() : [];
  if (turn === null) return waitForTurn(job, "move");
  const without = unenforcedOn(set, work.pass.fleet.hostOf(place.host));
  const parts = [assessment.decision.text, place.text, without === "" ? "" : `without ${without}, which the host can't enforce`];
  const why = parts.filter((text) => text !== "").join("; ");
  const placed = newClaim(work, set, slot.index, place.host, why);
  if ("code" in placed) return addBlocked(work, slot.index, slot.current, placed, null);
  const claim = assessment.restores.length === 0 ? placed : { ...placed, restores: assessment.restores.map(({ key }) => key) };
  work.events.push({ type: "slot.placed", set: work.draft.name, index: slot.index, claim });
  works(work, triggerOf(assessment));
  const from = slot.current !== null && slot.current.host !== claim.host ? slot.current.host : null;
  const swaps = slot.current !== null && assessment.restores.length > 0;
  const kind = from !== null ? "move" : swaps ? "replace" : "create";
  const what = describeRestoring(restoringOn(work, slot, claim));
  addChange(work, kind, slot.index, claim, { code: assessment.decision.code, text: why }, { from, what });
  const last = startOn(job, set, claim, formersOf(slot), turn);
  if (last !== null && disruptive) lanes.took(last);
}

function triggerOf({ restores, cause, decision }: Extract<Assessment, { kind: "place" }>): TaskTrigger {
  if (restores.length > 0) return "restore";
  if (cause === "create") return "create";
  return decision.code === "heal" ? "heal" : "move";
}

/** A slot whose data would go to the trash needs the pool's budget; true when that holds it back. */
function isOverBudget({ work, slot }: SlotJob, what: string): boolean {
  const pool = slot.current === null ? null : work.pass.fleet.hostOf(slot.current.host).pool;
  if (pool === null || !work.pass.heldPools.has(pool.name)) return false;
  const text = `${what}: over the pool's budget, waits for confirmation`;
  addBlocked(work, slot.index, slot.current, { code: "wait.budget", text }, null);
  return true;
}

function isServing(slot: SlotFacts): boolean {
  const instance = slot.current === null ? null : instanceOf(slot, slot.current);
  return instance?.phase === "running" && instance.healthy;
}

function waitForTurn(job: SlotJob, would: string): void {
  const { work, slot, lanes } = job;
  const text = lanes.width === 0 ? `waits for other slots to be ready, then ${would}` : `waits for its turn to ${would}`;
  addBlocked(work, slot.index, slot.current, { code: "wait.rollout", text }, null);
  clearBeside(job);
}

/** Earlier generations beside one that serves can go, whatever the slot itself is waiting for. */
function clearBeside({ work, slot }: SlotJob): void {
  if (slot.former.length > 0 && isServing(slot)) clearFormers(work, slot, slot.former, slot.current, [], PART);
}

/** All claims but the one the slot will live on. */
function formersOf(slot: SlotFacts): readonly Claim[] {
  return slot.current === null ? slot.former : [...slot.former, slot.current];
}

/**
 * Brings the slot up on its claim. Generations that must not run beside it go first; others stay until it is healthy.
 * Returns the last step; null when an earlier generation may yet run and the slot has to wait.
 */
function startOn(job: SlotJob, set: DesiredSet, claim: Claim, formers: readonly Claim[], needs: readonly number[]): number | null {
  const { work, slot } = job;
  const { pass } = work;
  const { observation } = pass.fleet.hostOf(claim.host);
  const firstHosts = new Set(
    formers.flatMap((former) => (set.exclusive || former.exclusive || former.host === claim.host ? [former.host] : [])),
  );
  const first = formers.filter((former) => firstHosts.has(former.host));
  const later = formers.filter((former) => !firstHosts.has(former.host));
  const owner = ownerOf(work, slot.index);
  const pulled = first.length === 0 ? [] : pullSteps(pass.steps, owner, claim, set, observation);
  const cleared = clearFormers(work, slot, first, claim, [...needs, ...pulled], PART);
  if (cleared.blocker !== null) {
    addBlocked(work, slot.index, claim, { code: "wait.former", text: cleared.blocker }, null);
    return null;
  }
  const restoring = restoringOn(work, slot, claim);
  const room = makeRoom(pass, set, slot, claim, restoring);
  if ("wait" in room) {
    addBlocked(work, slot.index, claim, room.wait, room.wakeInMs);
    return null;
  }
  const here = volumesOn(slot, claim.host);
  const dropped = unwantedNow(job, set, claim)?.volumes ?? [];
  const { input } = pass.fleet;
  const unwanted = { volumes: [...dropped, ...restoring.replaced], commit: input.desired.revision.commit, nowMs: input.nowMs };
  const volumes = { here, unwanted, back: restoring.back, room: room.steps };
  const last = bringUp(pass.steps, owner, claim, set, observation, volumes, [...needs, ...cleared.gone]);
  clearFormers(work, slot, later, claim, [last], PART);
  return last;
}

/** Volumes that go to the trash before the slot is started; null where nothing may be destroyed now, or an Instance may have them yet. */
function unwantedNow({ work, slot }: SlotJob, set: DesiredSet, claim: Claim): VolumeWork["unwanted"] {
  const { fleet, heldPools } = work.pass;
  const { pool, braked } = fleet.hostOf(claim.host);
  const volumes = unwantedVolumes(set, volumesOn(slot, claim.host));
  if (volumes.length === 0 || fleet.input.destroysFrozen !== null || braked || pool === null) return null;
  if (instanceOf(slot, claim) !== null || (heldPools.has(pool.name) && hasData(volumes))) return null;
  return { volumes, commit: fleet.input.desired.revision.commit, nowMs: fleet.input.nowMs };
}

/** `; volume old goes to the trash`; empty when none does. */
function dropText(job: SlotJob, set: DesiredSet, claim: Claim): string {
  const names = (unwantedNow(job, set, claim)?.volumes ?? []).map(({ name }) => name);
  if (names.length === 0) return "";
  return names.length === 1 ? `; volume ${names[0]} goes to the trash` : `; volumes ${names.join(", ")} go to the trash`;
}

function restartSlot(job: SlotJob, assessment: Extract<Assessment, { kind: "restart" }>): void {
  const { work, slot, lanes } = job;
  const set = work.draft.set!;
  // Its claim is of an earlier plan, in which it had a turn behind others: so it has in this one.
  const disruptive = isUnbegun(work.draft, slot);
  const turn = disruptive ? lanes.next() : [];
  if (turn === null) return waitForTurn(job, `start generation ${slot.current!.generation} on ${slot.current!.host}`);
  const claim = resized(job, set, slot.current!);
  const owner = ownerOf(work, slot.index);
  const { steps } = work.pass;
  if (assessment.crash !== null) {
    const { name } = work.draft;
    work.events.push({
      type: "slot.crashed",
      set: name,
      index: slot.index,
      host: claim.host,
      code: "crashed",
      message: assessment.crash,
      input: owner.input,
    });
  }
  works(work, assessment.decision.code === "heal" ? "heal" : "create");
  if (assessment.how === "start") {
    const kind = assessment.decision.code === "heal" ? "replace" : "create";
    addChange(work, kind, slot.index, claim, assessment.decision, { what: describeRestoring(restoringOn(work, slot, claim)) });
    const last = startOn(job, set, claim, slot.former, turn);
    if (last !== null && disruptive) lanes.took(last);
    return;
  }
  addChange(work, assessment.how === "await" ? "keep" : "replace", slot.index, claim, assessment.decision);
  if (assessment.how === "await") awaitHealthy(steps, owner, claim, set, []);
  else
    recreate(
      steps,
      owner,
      claim,
      set,
      set.template.containers.map((container) => container.name),
      work.pass.fleet.hostOf(claim.host).observation,
      [],
    );
}

/** The current claim with the Set's present needs; journalled if they differ. */
function resized(job: SlotJob, set: DesiredSet, current: Claim): Claim {
  const here = volumesOn(job.slot, current.host);
  if (claimFits(current, set, here)) return current;
  const claim = { ...current, ...reservationOf(set, here) };
  job.work.events.push({ type: "slot.resized", set: set.name, index: job.slot.index, claim });
  return claim;
}

/** A new generation on the same host: infra container, network or volumes differ. */
function replaceInstance(job: SlotJob, assessment: Extract<Assessment, { kind: "replace" }>): void {
  const { work, slot, lanes } = job;
  const set = work.draft.set!;
  const turn = assessment.disruptive ? lanes.next() : [];
  if (turn === null) return waitForTurn(job, `replace: ${assessment.what}`);
  if (dropsData(set, slot) && isOverBudget(job, "a volume that it does not want any more would go to the trash")) return;
  const claim = newClaim(work, set, slot.index, slot.current!.host, slot.current!.why);
  if ("code" in claim) return addBlocked(work, slot.index, slot.current, claim, null);
  work.events.push({ type: "slot.placed", set: work.draft.name, index: slot.index, claim });
  works(work, "rollout");
  addChange(work, "replace", slot.index, claim, rolloutDecision(job, `new infra container${dropText(job, set, claim)}`), {
    what: assessment.what,
  });
  const last = startOn(job, set, claim, formersOf(slot), turn);
  if (last !== null && assessment.disruptive) lanes.took(last);
}

/** Recreates the app containers that differ; infra, address, port and volumes stay. */
function replaceContainers(job: SlotJob, assessment: Extract<Assessment, { kind: "replace" }>): void {
  const { work, slot, lanes } = job;
  const set = work.draft.set!;
  const turn = assessment.disruptive ? lanes.next() : [];
  if (turn === null) return waitForTurn(job, `replace: ${assessment.what}`);
  const claim = resized(job, set, slot.current!);
  works(work, "rollout");
  addChange(work, "replace", slot.index, claim, rolloutDecision(job, "in place"), { what: assessment.what });
  const { observation } = work.pass.fleet.hostOf(claim.host);
  const last = recreate(work.pass.steps, ownerOf(work, slot.index), claim, set, assessment.difference.containers, observation, turn);
  if (assessment.disruptive) lanes.took(last);
  clearFormers(work, slot, slot.former, claim, [last], PART);
}

function rolloutDecision(job: SlotJob, how: string): Decision {
  const { width } = job.lanes;
  return { code: "rollout", text: width === 0 ? how : `${how}, ${width} at a time` };
}

function updateSlot(job: SlotJob, assessment: Extract<Assessment, { kind: "update" }>): void {
  const { work, slot } = job;
  const set = work.draft.set!;
  const claim = resized(job, set, slot.current!);
  const here = volumesOn(slot, claim.host);
  const room = makeRoom(work.pass, set, slot, claim);
  if ("wait" in room) return addBlocked(work, slot.index, claim, room.wait, room.wakeInMs);
  works(work, "update");
  const stays = refusedShrinks(set, here);
  const { code, text } = assessment.decision;
  addChange(work, "update", slot.index, claim, { code, text: stays === null ? text : `${text}; ${stays}` }, { what: assessment.what });
  updateInPlace(work.pass.steps, ownerOf(work, slot.index), claim, set, { here, unwanted: null, back: NOTHING_BACK, room: room.steps });
  clearFormers(work, slot, slot.former, claim, [], PART);
}

function retireSlot(job: SlotJob, decision: Decision): void {
  const { work, slot } = job;
  const current = slot.current!;
  const host = work.pass.fleet.hostOf(current.host);
  if (host.pool !== null && work.pass.heldPools.has(host.pool.name) && host.reach !== "dead") {
    return addBlocked(
      work,
      slot.index,
      current,
      { code: "wait.budget", text: `${decision.text}: over the pool's budget, waits for confirmation` },
      null,
    );
  }
  work.events.push({ type: "slot.retired", set: work.draft.name, index: slot.index, generation: current.generation });
  works(work, work.draft.set === null ? "remove" : "scale");
  addChange(work, "remove", slot.index, current, decision);
  clearFormers(work, slot, formersOf(slot), null, [], PART);
}

/** Journals the count of an elastic Set when it changes, so that it stays when its rules go. */
function countElastic(work: SetWork): void {
  const { draft } = work;
  if (draft.set?.count.kind !== "elastic" || draft.target === null || draft.context.held !== null) return;
  wakeIn(work, draft.target.nextChangeMs === null ? null : Math.max(0, draft.target.nextChangeMs - draft.context.nowMs));
  if (draft.memory?.count === draft.target.count) return;
  work.events.push({ type: "set.counted", set: draft.name, count: draft.target.count, why: draft.target.why });
}

function finishTask(work: SetWork, goal: string, commit: string): void {
  const { draft } = work;
  const facts = {
    works: work.trigger !== null,
    settled: !work.unsettled,
    stalled: work.unsettled && !work.hopeful,
    held: draft.context.held !== null,
    trigger: work.trigger ?? "create",
  };
  work.events.unshift(...taskEvents(draft.name, draft.memory, goal, commit, facts));
}
