import type { DatabaseSync } from "node:sqlite";
import { UserError } from "../../core/errors/user-error.ts";
import { checksum } from "./rows.ts";

/** "Setp": marks a SQLite file as a journal of ours. */
const APPLICATION_ID = 0x53657470;

/** Step n takes version n to n + 1; a new file starts at 0. Never edit a step that was released: add one. */
const MIGRATIONS: readonly ((database: DatabaseSync) => void)[] = [createTables, addChecksumsAndTaskIndex];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings a journal of any earlier version, or an empty file, to ours; refuses a newer one and other people's files. */
export function migrate(database: DatabaseSync, path: string): void {
  const version = readVersion(database, path);
  for (let step = version; step < SCHEMA_VERSION; step++) {
    database.exec("BEGIN IMMEDIATE");
    MIGRATIONS[step]!(database);
    writeMeta(database, "schema", String(step + 1));
    database.exec("COMMIT");
  }
}

/** For readers, which can't migrate. */
export function requireCurrent(database: DatabaseSync, path: string): void {
  const version = readVersion(database, path);
  if (version === SCHEMA_VERSION) return;
  throw new UserError(
    "journal-version",
    `the journal ${path} has format ${version}; this Setpoint reads format ${SCHEMA_VERSION}`,
    "start the daemon once with this version: it brings the journal up to date",
  );
}

/** Value of a key in `meta`, null when there is none. */
export function readMeta(database: DatabaseSync, key: string): string | null {
  const row = database.prepare("SELECT value FROM meta WHERE key = ?").get(key) as { value: string } | undefined;
  return row?.value ?? null;
}

export function writeMeta(database: DatabaseSync, key: string, value: string): void {
  database.prepare("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value").run(key, value);
}

/** 0 for an empty file. */
function readVersion(database: DatabaseSync, path: string): number {
  const { application_id: applicationId } = database.prepare("PRAGMA application_id").get() as { application_id: number };
  const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as { tables: number };
  if (tables === 0 && applicationId === 0) return 0;
  if (applicationId !== APPLICATION_ID) {
    throw new UserError(
      "journal-foreign",
      `${path} is a SQLite database, but not a journal of Setpoint`,
      "give another folder with --state, or move the file away",
    );
  }
  const version = Number(readMeta(database, "schema"));
  if (version <= SCHEMA_VERSION) return version;
  throw new UserError(
    "journal-version",
    `the journal ${path} has format ${version}; this Setpoint knows formats up to ${SCHEMA_VERSION}`,
    "a newer Setpoint wrote it: use that version, or give another folder with --state",
  );
}

function createTables(database: DatabaseSync): void {
  database.exec(`
    PRAGMA application_id = ${APPLICATION_ID};
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE events (
      sequence INTEGER PRIMARY KEY,
      at_ms INTEGER NOT NULL,
      type TEXT NOT NULL,
      set_name TEXT,
      task_id TEXT,
      body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_by_set ON events (set_name) WHERE set_name IS NOT NULL;
    CREATE TABLE snapshots (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
  `);
}

function addChecksumsAndTaskIndex(database: DatabaseSync): void {
  database.function("row_checksum", { deterministic: true, varargs: true }, (...columns) => checksum(...(columns as (string | null)[])));
  database.exec(`
    ALTER TABLE events ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
    UPDATE events SET checksum = row_checksum(sequence, at_ms, type, set_name, task_id, body);
    ALTER TABLE snapshots ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
    UPDATE snapshots SET checksum = row_checksum(sequence, body);
    CREATE INDEX events_by_task ON events (task_id) WHERE task_id IS NOT NULL;
    CREATE INDEX tasks_opened ON events (sequence) WHERE type = 'task.opened';
  `);
}
