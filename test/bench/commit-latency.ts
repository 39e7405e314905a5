/**
 * How long it takes from a commit in a local repository to the first step on a host: 50 commits, each with another image in
 * one Set, followed by a real daemon process. Prints median, p95 and maximum. Run: `node test/bench/commit-latency.ts`.
 * Measured from before `git commit` is started, so git's own time is in it.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { askDaemon } from "../../reconciler/cli/client.ts";
import type { StateFolder } from "../../reconciler/cli/state-folder.ts";
import type { StatusReport } from "../../reconciler/api/types.ts";
import { openJournalReadOnly } from "../../reconciler/io/store/journal.ts";
import { startDaemon } from "../kill/daemon-process.ts";

const COMMITS = 50;
const EXAMPLE = join(import.meta.dirname, "../../manifests-example");
const SET = "edge";
const FILE = "sets/team-platform/edge.yaml";

/** Milliseconds from commit to first step, one per commit. */
async function measure(dir: string): Promise<number[]> {
  const repository = join(dir, "repo");
  cpSync(EXAMPLE, repository, { recursive: true });
  const git = (...args: readonly string[]): string =>
    execFileSync("git", ["-C", repository, "-c", "user.name=ann", "-c", "user.email=ann@example", ...args], { encoding: "utf8" }).trim();
  git("init", "--quiet", "--initial-branch=main");
  git("add", "--all");
  git("commit", "--quiet", "-m", "fleet");
  const at = (name: string): string => join(dir, "state", name);
  const state: StateFolder = { dir: join(dir, "state"), journal: at("journal.db"), sim: at("sim.db"), socket: at("control.sock") };
  const daemon = startDaemon(dir, 1000);
  const commits = new Map<string, number>();
  try {
    await convergedAt(state, git("rev-parse", "HEAD"));
    for (let number = 0; number < COMMITS; number++) {
      changeImage(join(repository, FILE), number);
      const startedAtMs = Date.now();
      git("commit", "--quiet", "--all", "-m", `change ${number}`);
      const commit = git("rev-parse", "HEAD");
      commits.set(commit, startedAtMs);
      await convergedAt(state, commit);
    }
  } finally {
    await daemon.stop();
  }
  return [...commits].map(([commit, startedAtMs]) => firstStepAtMs(state, commit) - startedAtMs);
}

function changeImage(file: string, number: number): void {
  const before = readFileSync(file, "utf8");
  const after = before.replace(/(image: \S+:)\S+/, `$1bench-${number}`);
  if (after === before) throw new Error(`${file} names no image`);
  writeFileSync(file, after);
}

async function convergedAt(state: StateFolder, commit: string): Promise<void> {
  for (let tries = 0; tries < 1200; tries++) {
    const report = await askDaemon<StatusReport>(state, "/v1/status").catch(() => null);
    if (report?.commit === commit && report.state === "converged") return;
    await sleep(50);
  }
  throw new Error(`commit ${commit} did not converge within a minute`);
}

/** When the journal noted the first step of the Task that the commit opened. */
function firstStepAtMs(state: StateFolder, commit: string): number {
  const journal = openJournalReadOnly({ path: state.journal });
  try {
    const task = journal.eventsOfSet(SET, 100_000).find((event) => event.type === "task.opened" && event.commit === commit);
    if (task?.type !== "task.opened") throw new Error(`commit ${commit} opened no Task of ${SET}`);
    return journal.eventsOfTask(task.taskId).find((event) => event.type === "action.started")!.atMs;
  } finally {
    journal.close();
  }
}

const dir = mkdtempSync(join(tmpdir(), "spb-"));
try {
  const sorted = (await measure(dir)).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
  process.stdout.write(`commit to first step, ${sorted.length} commits: median ${at(0.5)} ms, p95 ${at(0.95)} ms, maximum ${at(1)} ms\n`);
  if (at(0.95) >= 1000) process.exitCode = 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}
