import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { openJournal, openJournalReadOnly } from "../../reconciler/io/store/journal.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";
import { stateFolder } from "./state-folder.ts";

/** Starts one of the scripts beside this file; killed at the latest when the test is over. */
function start(script: string, path: string): ChildProcess {
  const child = spawn(process.execPath, ["--expose-gc", join(import.meta.dirname, script), path], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function firstLine(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) return line;
  throw new Error("the process printed nothing");
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

test("a second process is told who writes the journal; a kill -9 of the first leaves no lock behind", async () => {
  const path = join(stateFolder(), "journal.db");
  const first = start("holder.ts", path);
  expect(await firstLine(first)).toBe("held");

  const second = start("holder.ts", path);
  const message = new RegExp(`^daemon-running: the journal ${path} is in use by process ${first.pid} \\(since 20.*Z\\); only one`);
  expect(await firstLine(second)).toMatch(message);
  expect(() => openJournal({ path })).toThrow(expect.objectContaining({ code: "daemon-running" }));
  openJournalReadOnly({ path }).close();

  await killed(first);
  const third = start("holder.ts", path);
  expect(await firstLine(third)).toBe("held");
});

test("the lock is free again after close(), and within one process too there is one writer only", () => {
  const path = join(stateFolder(), "journal.db");
  const journal = openJournal({ path });
  expect(() => openJournal({ path })).toThrow(expect.objectContaining({ code: "daemon-running" }));
  journal.close();
  journal.close();
  openJournal({ path }).close();
});

test("kill -9 at any moment loses no acknowledged event, and what is left folds", { timeout: 60_000 }, async () => {
  const path = join(stateFolder(), "journal.db");
  for (let round = 0; round < 10; round++) {
    const child = start("appender.ts", path);
    let acknowledged = 0;
    const lines = createInterface({ input: child.stdout! });
    const over = once(lines, "close");
    lines.on("line", (line) => (acknowledged = Number(line)));
    await Promise.race([once(lines, "line"), over]);
    await sleep(round * 7);
    await killed(child);
    await over;

    const journal = openJournal({ path });
    const { memory, events } = journal.load();
    journal.close();
    const folded = fold(memory ?? emptyMemory(), events);
    expect(folded.sequence).toBeGreaterThanOrEqual(acknowledged);
    expect(acknowledged).toBeGreaterThan(0);
  }
});
