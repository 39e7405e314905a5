import type { Claim } from "../../core/memory.ts";
import { slotKey } from "../../core/ids.ts";
import { failureOf } from "../diff/assess.ts";
import { backoffInMs } from "../diff/backoff.ts";
import { fencedInMs, type HostStatus } from "../fleet/host-status.ts";
import type { SlotFacts } from "../diff/slot-facts.ts";
import { releaseHost, stopMs, takeDown } from "../steps/instance-steps.ts";
import { addChange, LINGERING, ownerOf, wakeIn, works, type SetWork } from "./set-work.ts";

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
  const failure = failureOf(work.draft.context, slot);
  const retryInMs = failure === null ? 0 : backoffInMs(slotKey(work.draft.name, slot.index), failure, work.draft.context.nowMs);
  for (const [name, onHost] of Map.groupBy(formers, (former) => former.host)) {
    const host = work.pass.fleet.hostOf(name);
    const stop = reasonToLeave(work, host);
    if (host.reach === "dead") leaveDead(work, slot, host, onHost);
    else if (stop !== null) {
      // Only what was started as exclusive is stopped by its host when the lease ends.
      const leased = host.reach === "lost" && onHost.every((former) => former.exclusive);
      const fencedMs = leased ? fencedInMs(host, stopMs(work.draft.set)) : null;
      if (fencedMs !== 0) blocker ??= stop;
      wakeIn(work, fencedMs === 0 ? null : fencedMs);
      for (const former of onHost) leave(work, slot, former, stop, announce === "announce");
    } else if (retryInMs > 0) {
      const text = "its last step failed, waiting before the next try";
      blocker ??= text;
      wakeIn(work, retryInMs);
      for (const former of onHost) leave(work, slot, former, text, announce === "announce");
    } else {
      gone.push(...clearHost(work, slot, onHost, current, needs));
      if (announce === "announce") for (const former of onHost) announceCleanup(work, slot, former, current);
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

/**
 * A dead host's claims stay until the host is heard again or leaves the manifests: should it come back, it comes back with
 * the addresses it had. They hold nobody up.
 */
function leaveDead(work: SetWork, slot: SlotFacts, host: HostStatus, formers: readonly Claim[]): void {
  if (host.desired === null) for (const former of formers) clear(work, slot, former);
}

function leave(work: SetWork, slot: SlotFacts, former: Claim, why: string, announce: boolean): void {
  const text = `its earlier Instance, generation ${former.generation}, has to go: ${why}`;
  if (announce) addChange(work, "blocked", slot.index, former, { code: LINGERING, text });
  work.lingering = true;
  work.hopeful = true;
}

/** The host shows nothing of the generation and would refuse it: its claim ends. */
function clear(work: SetWork, slot: SlotFacts, former: Claim): void {
  work.events.push({ type: "slot.cleared", set: work.draft.name, index: slot.index, generation: former.generation });
  work.unsettled = true;
  work.hopeful = true;
}

/** Takes down every former generation on one host, then releases what the slot held there. Returns the steps after which they are gone. */
function clearHost(work: SetWork, slot: SlotFacts, formers: readonly Claim[], current: Claim | null, needs: readonly number[]): number[] {
  const { draft, pass } = work;
  const { host } = formers[0]!;
  const on = slot.seen.find((candidate) => candidate.host === host);
  const owner = ownerOf(work, slot.index);
  const newest = formers.at(-1)!;
  const successorHere = current?.host === host;
  const leftover = {
    port: !successorHere && on?.port != null,
    volumes: successorHere ? [] : (on?.volumes.map((volume) => volume.name) ?? []),
  };
  const gone: number[] = [];
  for (const former of formers) {
    const running = on?.instances.some((instance) => instance.generation === former.generation) ?? false;
    const refused = pass.fleet.floorOf(host, draft.name, slot.index) > former.generation;
    if (running || !refused) gone.push(takeDown(pass.steps, owner, former, draft.set, running, needs));
    else if (former !== newest || (!leftover.port && leftover.volumes.length === 0)) clear(work, slot, former);
  }
  const { input } = pass.fleet;
  if (gone.length > 0 || leftover.port || leftover.volumes.length > 0) works(work, "remove");
  releaseHost(
    pass.steps,
    owner,
    newest,
    leftover,
    { commit: input.desired.revision.commit, nowMs: input.nowMs },
    gone.length > 0 ? gone : needs,
  );
  return gone;
}

function announceCleanup(work: SetWork, slot: SlotFacts, former: Claim, current: Claim | null): void {
  const why = current === null ? "no longer wanted" : `replaced by generation ${current.generation}`;
  addChange(work, "remove", slot.index, former, { code: "cleanup", text: why });
}
