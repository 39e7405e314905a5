import { UserError } from "../../core/errors/user-error.ts";

const REBUILD = "placements and addresses are then rebuilt from the hosts (traces and confirmations of the past are lost)";

/** SQLite's primary result codes that a user can do something about. */
const SQLITE = { perm: 3, busy: 5, locked: 6, readonly: 8, ioerr: 10, corrupt: 11, full: 13, cantopen: 14, notadb: 26 } as const;

/** The UserError for an error of node:sqlite, or the error itself where no user could mend it. */
export function storeTrouble(error: unknown, path: string): unknown {
  switch (sqliteCode(error)) {
    case SQLITE.corrupt:
    case SQLITE.notadb:
      return corruptJournal(path, (error as Error).message);
    case SQLITE.full:
      return new UserError(
        "journal-disk-full",
        `no room left for the journal ${path}`,
        "free some disk space: nothing is changed on any host until the journal can be written again",
      );
    case SQLITE.perm:
    case SQLITE.readonly:
    case SQLITE.cantopen:
      return notWritable(path, (error as Error).message);
    case SQLITE.ioerr:
      return new UserError("journal-io", `reading or writing the journal ${path} failed: ${(error as Error).message}`, "check the disk");
    case SQLITE.busy:
    case SQLITE.locked:
      return new UserError(
        "journal-busy",
        `another program keeps the journal ${path} locked`,
        "close the program that has it open (a database browser, a backup)",
      );
    case null:
    default:
      return error;
  }
}

export function notWritable(place: string, detail: string): UserError {
  return new UserError(
    "state-folder",
    `${place}, where the journal is kept, can't be written: ${detail}`,
    "give this user write permission on the folder and the files in it, or give another folder with --state",
  );
}

/** The file is there but is not, or not completely, what was written. */
export function corruptJournal(path: string, detail: string): UserError {
  return new UserError(
    "journal-corrupt",
    `the journal ${path} is damaged: ${detail}`,
    `move ${path}* to another folder and start again; ${REBUILD}`,
  );
}

/** True where SQLite says that another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE.busy;
}

/** Primary result code; null when it isn't SQLite's error. */
function sqliteCode(error: unknown): number | null {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  return code === "ERR_SQLITE_ERROR" && typeof errcode === "number" ? errcode & 0xff : null;
}
