import type { Claim } from "../../core/memory.ts";
import { fencedInMs, type HostStatus } from "../fleet/host-status.ts";
import type { SlotFacts } from "../diff/slot-facts.ts";
import { stopMs, tearDown, type Remains } from "../steps/instance-steps.ts";
import { addChange, ownerOf, wakeIn, type SetWork } from "./set-work.ts";

/** How clearing a slot's earlier generations went. */
export interface Cleared {
  /** Steps after which those generations are gone. */
  readonly gone: readonly number[];
  /** Why one of them may yet run; null when none can. */
  readonly blocker: string | null;
}

/**
 * Tears down earlier generations of a slot wherever that is allowed now, after `needs`. `current` is the claim the slot
 * lives on (null: it should not live), whose host keeps the volumes and takes the port over. `announce`: as changes of
 * their own, where nothing else is said of the slot.
 */
export function clearFormers(
  work: SetWork,
  slot: SlotFacts,
  formers: readonly Claim[],
  current: Claim | null,
  needs: readonly number[],
  announce: "announce" | "part of another change",
): Cleared {
  const gone: number[] = [];
  let blocker: string | null = null;
  for (const [position, former] of formers.entries()) {
    const host = work.pass.fleet.hostOf(former.host);
    const stop = reasonToLeave(work, host);
    const isNewestThere = !formers.slice(position + 1).some((later) => later.host === former.host);
    if (host.reach === "dead") clear(work, slot, former);
    else if (stop !== null) {
      const fenced = host.reach === "lost" ? fencedInMs(host, stopMs(work.draft.set)) : null;
      if (fenced !== 0) blocker ??= stop;
      wakeIn(work, fenced === 0 ? null : fenced);
      if (announce === "announce") leave(work, slot, former, stop);
      work.unsettled = true;
      work.hopeful = true;
    } else {
      const remains = remainsOf(work, slot, former, current, isNewestThere);
      if (isNothing(remains)) clear(work, slot, former);
      else {
        const step = tearDownFormer(work, slot, former, remains, needs);
        if (step !== null) gone.push(step);
        if (announce === "announce") announceCleanup(work, slot, former, current);
      }
    }
  }
  return { gone, blocker };
}

/** Why nothing may be taken down on a host now; null when it may. */
function reasonToLeave(work: SetWork, host: HostStatus): string | null {
  const { context } = work.draft;
  if (context.held !== null) return context.held;
  if (host.held !== null) return host.held;
  if (context.frozen !== null) return context.frozen;
  if (host.reach !== "ok") return `host ${host.name} is silent`;
  return host.braked ? `too many hosts of pool ${host.pool?.name ?? "?"} are silent at once` : null;
}

function leave(work: SetWork, slot: SlotFacts, former: Claim, why: string): void {
  const text = `generation ${former.generation} has to go: ${why}`;
  addChange(work, "blocked", slot.index, former, { code: "wait.former", text });
}

/** The host was confirmed dead, or shows nothing of the generation and would refuse it: its claim ends. */
function clear(work: SetWork, slot: SlotFacts, former: Claim): void {
  work.events.push({ type: "slot.cleared", set: work.draft.name, index: slot.index, generation: former.generation });
  work.unsettled = true;
  work.hopeful = true;
}

function isNothing(remains: Remains): boolean {
  return !remains.instance && !remains.unfenced && !remains.port && remains.volumes.length === 0;
}

function tearDownFormer(work: SetWork, slot: SlotFacts, former: Claim, remains: Remains, needs: readonly number[]): number | null {
  const { draft, pass } = work;
  const context = { set: draft.set, commit: pass.fleet.input.desired.revision.commit, nowMs: pass.fleet.input.nowMs };
  work.unsettled = true;
  work.hopeful = true;
  return tearDown(pass.steps, ownerOf(work, slot.index), former, remains, context, needs);
}

function announceCleanup(work: SetWork, slot: SlotFacts, former: Claim, current: Claim | null): void {
  const why = current === null ? "no longer wanted" : `replaced by generation ${current.generation}`;
  addChange(work, "remove", slot.index, former, { code: "cleanup", text: why });
}

/** What of the generation is still there, by the host's own word. */
function remainsOf(work: SetWork, slot: SlotFacts, former: Claim, current: Claim | null, isNewestThere: boolean): Remains {
  const on = slot.seen.find((candidate) => candidate.host === former.host);
  const instance = on?.instances.some((candidate) => candidate.generation === former.generation) ?? false;
  const unfenced = work.pass.fleet.floorOf(former.host, work.draft.name, slot.index) <= former.generation;
  const successorHere = current?.host === former.host;
  const port = !successorHere && isNewestThere && on?.port != null;
  const volumes = successorHere || !isNewestThere ? [] : (on?.volumes.map((volume) => volume.name) ?? []);
  return { instance, unfenced, port, volumes };
}
