import type { Desired } from "../core/desired.ts";
import type { EventBody } from "../core/events.ts";
import type { ManifestProblem, Manifests } from "../core/manifests.ts";
import type { Memory } from "../core/memory.ts";
import { withDeadline } from "./deadline.ts";
import type { Clock, Log, Source, SourceReading } from "./ports.ts";

/** Manifests to Desired; null when cross-file checks found errors. Problems may be warnings alone. */
export type BuildDesired = (manifests: Manifests) => { readonly desired: Desired | null; readonly problems: readonly ManifestProblem[] };

/** Which Revision runs, and what became of the head. */
export interface Revisions {
  /** The last good Revision; null until one was read. */
  desired(): Desired | null;
  status(): SourceStatus;
  /** Takes a reading in. Rejects only when the journal can't be written. */
  take(reading: SourceReading, signal: AbortSignal): Promise<void>;
}

export interface SourceStatus {
  readonly state: "unread" | "good" | "invalid" | "failed";
  /** Commit of the newest reading; null when there was none or nothing could be read. */
  readonly head: string | null;
  /** Commit of the Revision that runs. */
  readonly lastGood: string | null;
  /** Why the head does not run; empty when it does. */
  readonly why: string;
  /** Error code of a read that failed; empty otherwise. */
  readonly code: string;
  /** What is wrong in the head's manifests, with positions; or its warnings. */
  readonly problems: readonly ManifestProblem[];
  readonly reads: number;
  /** Wall clock; null before the first read. */
  readonly readAtMs: number | null;
}

export interface RevisionPorts {
  readonly source: Source;
  readonly clock: Clock;
  readonly log: Log;
  readonly readDeadlineMs: number;
  readonly build: BuildDesired;
  readonly memory: () => Memory;
  readonly append: (events: readonly EventBody[]) => void;
  /** Another Revision runs from now on, or the same one again after trouble, or the head has another trouble. */
  readonly changed: () => void;
}

interface State {
  desired: Desired | null;
  status: SourceStatus;
}

/** Nothing was read yet. */
export function createRevisions(ports: RevisionPorts): Revisions {
  const state: State = {
    desired: null,
    status: { state: "unread", head: null, lastGood: null, why: "", code: "", problems: [], reads: 0, readAtMs: null },
  };
  return {
    desired: () => state.desired,
    status: () => state.status,
    async take(reading, signal) {
      const before = state.status;
      const running = state.desired;
      state.status = { ...before, reads: before.reads + 1, readAtMs: ports.clock.now() };
      if (reading.kind !== "failed" && reading.rewrittenFrom !== undefined) {
        ports.log.warn(
          { from: reading.rewrittenFrom },
          "the branch was rewritten: its head does not follow the one before; it counts all the same",
        );
      }
      judge(ports, state, reading);
      if (state.desired === null) await restore(ports, state, signal);
      if (state.desired !== running || destroysFrozen(state.status) !== destroysFrozen(before)) ports.changed();
    },
  };
}

/** Why nothing may be destroyed while the source is in this state; null: it may. */
export function destroysFrozen(status: SourceStatus): string | null {
  switch (status.state) {
    case "good":
      return null;
    case "unread":
      return "the manifests were not read yet: nothing is destroyed until they are";
    case "invalid":
      return `commit ${(status.head ?? "").slice(0, 7)} is not valid: nothing is destroyed until it is mended`;
    case "failed":
      return `the manifests can't be read (${status.why}): nothing is destroyed until they can`;
    default:
      return status.state satisfies never;
  }
}

/** Accepts or rejects what was read. */
function judge(ports: RevisionPorts, state: State, reading: SourceReading): void {
  switch (reading.kind) {
    case "loaded":
      return judgeManifests(ports, state, reading.manifests);
    case "invalid":
      return reject(ports, state, { ...INVALID, head: reading.commit, why: summary(reading.problems), problems: reading.problems });
    case "failed":
      return reject(ports, state, { state: "failed", head: null, why: reading.why, code: reading.code, problems: [] });
    default:
      return reading satisfies never;
  }
}

function judgeManifests(ports: RevisionPorts, state: State, manifests: Manifests): void {
  const { commit } = manifests.revision;
  if (state.desired?.revision.commit === commit && state.status.state === "good") return;
  const { desired, problems } = buildSafely(ports.build, manifests);
  if (desired === null) return reject(ports, state, { ...INVALID, head: commit, why: summary(problems), problems });
  state.desired = desired;
  state.status = { ...state.status, state: "good", head: commit, lastGood: commit, why: "", code: "", problems };
  const memory = ports.memory();
  if (memory.revision?.commit === commit && memory.rejected === null) return;
  ports.append([{ type: "revision.accepted", commit, hosts: desired.hosts.map((host) => host.name) }]);
}

const INVALID = { state: "invalid", code: "" } as const;

type Rejection = Pick<SourceStatus, "state" | "head" | "why" | "code" | "problems">;

/** The last good Revision stays. The same trouble is journalled once. */
function reject(ports: RevisionPorts, state: State, rejection: Rejection): void {
  state.status = { ...state.status, ...rejection };
  const { head: commit, why } = rejection;
  const { rejected } = ports.memory();
  if (rejected?.commit === commit && rejected.why === why) return;
  ports.append([{ type: "revision.rejected", commit, why }]);
}

/** A commit that meets a defect in the builder is one that can't run: it must not end the healing of what runs. */
function buildSafely(build: BuildDesired, manifests: Manifests): ReturnType<BuildDesired> {
  try {
    return build(manifests);
  } catch (error) {
    const message = `setpoint failed to read it: ${error instanceof Error ? error.message : String(error)}`;
    return { desired: null, problems: [{ code: "build-failed", severity: "error", position: null, message, hint: "", frame: "" }] };
  }
}

/** After a restart with a head that does not run: reads the last good Revision back, where the source keeps it. */
async function restore(ports: RevisionPorts, state: State, signal: AbortSignal): Promise<void> {
  const { source, clock, readDeadlineMs } = ports;
  const commit = ports.memory().revision?.commit;
  if (commit === undefined || source.readCommit === undefined) return;
  try {
    const reading = await withDeadline(clock, readDeadlineMs, signal, (signal) => source.readCommit!(commit, signal));
    if (reading.kind !== "loaded") return;
    state.desired = buildSafely(ports.build, reading.manifests).desired;
    if (state.desired !== null) state.status = { ...state.status, lastGood: commit };
  } catch (error) {
    // The next read tries again; until then the hosts stay as they are.
    if (signal.aborted) throw error;
  }
}

/** The first problem with its place, and how many more there are. */
function summary(problems: readonly ManifestProblem[]): string {
  const errors = problems.filter((problem) => problem.severity === "error");
  const first = errors[0];
  if (first === undefined) return "it is not valid";
  const place = first.position === null ? "" : `${first.position.file}:${first.position.line}:${first.position.column}: `;
  return `${place}${first.message}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ""}`;
}
