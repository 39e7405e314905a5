import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../../core/errors/user-error.ts";
import { isBusy, storeTrouble } from "./trouble.ts";

/** Locks of this process. Referred to from here so that no garbage collection closes the database of a lock and drops it. */
const held = new Set<DatabaseSync>();

/** Proof of being the one writer; held until release() or the end of the process, however it ends. */
export interface WriterLock {
  release(): void;
}

/**
 * Makes this process the only writer of the journal at `path`, or throws a UserError that says who is.
 * The lock is SQLite's own file lock on an empty database beside the journal, so the kernel drops it with the
 * process and a kill -9 leaves nothing stale. Who holds it stands in a file of its own, which is only for people.
 */
export function lockForWriting(path: string): WriterLock {
  const holderPath = `${path}.holder`;
  const database = acquire(path, holderPath);
  held.add(database);
  writeFileSync(holderPath, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }));
  return {
    release() {
      rmSync(holderPath, { force: true });
      held.delete(database);
      database.close();
    },
  };
}

function acquire(path: string, holderPath: string): DatabaseSync {
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(`${path}.lock`, { timeout: 0 });
    database.exec("BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database?.close();
    if (!isBusy(error)) throw storeTrouble(error, path);
    throw new UserError(
      "daemon-running",
      `the journal ${path} is in use by ${describeHolder(holderPath)}; only one process may write it`,
      "use the running daemon, stop it first, or give another folder with --state",
    );
  }
}

/** `process 4711 (since 2026-11-21T19:39:00.000Z)`; vague when the file is unreadable or names a process that is gone. */
function describeHolder(holderPath: string): string {
  try {
    const { pid, since } = JSON.parse(readFileSync(holderPath, "utf8")) as { pid: number; since: string };
    process.kill(pid, 0);
    return `process ${pid} (since ${since})`;
  } catch (error) {
    const isAnotherUsers = (error as NodeJS.ErrnoException).code === "EPERM";
    return isAnotherUsers ? "a process of another user" : "another process";
  }
}
