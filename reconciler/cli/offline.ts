import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Desired } from "../core/desired.ts";
import { UserError } from "../core/errors/user-error.ts";
import type { JournalEvent } from "../core/events.ts";
import type { Memory } from "../core/memory.ts";
import type { HostView } from "../core/observation.ts";
import type { PlanInput } from "../core/plan.ts";
import type { Picture } from "../api/rows.ts";
import { RECENT_TASKS } from "../api/tasks.ts";
import { openJournalReadOnly } from "../io/store/journal.ts";
import { createPlanner } from "../plan/planner.ts";
import { shortCommit } from "../plan/render.ts";
import { emptyMemory, fold } from "../run/fold.ts";
import { createHostState, observe } from "../sim/host-state.ts";
import { openSimStore } from "../sim/store.ts";
import { buildDesired } from "../plan/desired/builder.ts";
import { openSource, readSourceNote } from "./source.ts";
import { stateFolderExists, type StateFolder } from "./state-folder.ts";

/** What a state folder knows while no daemon runs on it. Nothing in the folder is changed. */
export interface OfflineFleet {
  readonly name: string;
  readonly picture: Picture;
  /** Opened and closed Tasks, the newest. */
  readonly recentTasks: readonly JournalEvent[];
  eventsOfTask(taskId: string): readonly JournalEvent[];
}

/** Journal, simulated hosts and the manifests of the last good revision. Throws a UserError where one can't be read. */
export async function openOffline(state: StateFolder): Promise<OfflineFleet> {
  if (!stateFolderExists(state) || !existsSync(state.journal)) {
    const hint = "Give the daemon's state folder with --state or SETPOINT_STATE, or start one: setpoint daemon --repo ...";
    throw new UserError("state-empty", `no daemon runs on ${state.dir}, and there is no journal there`, hint);
  }
  const saved = readState(state);
  const { fleet: name } = readSourceNote(state);
  const desired = await lastGood(state, saved.memory);
  const input = offlineInput(saved, desired);
  return {
    name,
    picture: { input, plan: createPlanner().plan(input), headProblems: [] },
    recentTasks: saved.recentTasks,
    eventsOfTask: (taskId) => withJournal(state, (journal) => journal.eventsOfTask(taskId)),
  };
}

/** Memory of the journal, and simulated hosts, as the state folder holds them; both empty where there are none. */
export interface SavedState {
  readonly memory: Memory;
  readonly fleet: ReadonlyMap<string, HostView>;
  readonly recentTasks: readonly JournalEvent[];
}

export const EMPTY_STATE: SavedState = { memory: emptyMemory(), fleet: new Map(), recentTasks: [] };

export function readState(state: StateFolder): SavedState {
  const fleet = existsSync(state.sim) ? readSimHosts(state.sim) : new Map<string, HostView>();
  if (!existsSync(state.journal)) return { memory: emptyMemory(), fleet, recentTasks: [] };
  return withJournal(state, (journal) => {
    const { memory, events } = journal.load();
    return { memory: fold(memory ?? emptyMemory(), events), fleet, recentTasks: journal.recentTasks(RECENT_TASKS) };
  });
}

function withJournal<Result>(state: StateFolder, read: (journal: ReturnType<typeof openJournalReadOnly>) => Result): Result {
  const journal = openJournalReadOnly({ path: state.journal });
  try {
    return read(journal);
  } finally {
    journal.close();
  }
}

/** A pass at this moment; monotonic time begins with it. */
export function offlineInput({ memory, fleet }: SavedState, desired: Desired): PlanInput {
  return { nowMs: Date.now(), monotonicMs: 0, startedAtMs: 0, desired, destroysFrozen: null, memory, fleet, busy: new Set() };
}

/** Reads a copy, because opening the file for real may write to it. */
function readSimHosts(path: string): Map<string, HostView> {
  const folder = mkdtempSync(join(tmpdir(), "setpoint-sim-"));
  try {
    for (const suffix of ["", "-wal"]) if (existsSync(path + suffix)) copyFileSync(path + suffix, join(folder, `sim.db${suffix}`));
    const store = openSimStore(join(folder, "sim.db"));
    const { hosts } = store.load((name, capacity) => createHostState({ name, capacity }, () => {}));
    store.close();
    const view = (powered: boolean) => (powered ? "" : "it is switched off");
    return new Map(
      hosts.map((host) => [
        host.name,
        { observation: host.powered ? observe(host) : null, heardAtMs: host.powered ? 0 : null, problem: view(host.powered) },
      ]),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Before any manifests were valid. */
export const NO_DESIRED: Desired = { revision: { commit: "" }, pools: new Map(), hosts: [], sets: new Map() };

/** Desired of the revision the journal says is running. */
async function lastGood(state: StateFolder, memory: Memory): Promise<Desired> {
  if (memory.revision === null) return NO_DESIRED;
  const source = openSource(state, readSourceNote(state).source);
  const signal = AbortSignal.timeout(30_000);
  try {
    const { commit } = memory.revision;
    const reading = source.readCommit === undefined ? await source.read(signal) : await source.readCommit(commit, signal);
    const desired = reading.kind === "loaded" ? buildDesired(reading.manifests).desired : null;
    if (desired !== null) return desired;
    const why = reading.kind === "failed" ? reading.why : "its manifests are not valid";
    throw new UserError(
      "source-offline",
      `the manifests of revision ${shortCommit(commit)} can't be read: ${why}`,
      "Start the daemon and ask again.",
    );
  } finally {
    await source.close();
  }
}
