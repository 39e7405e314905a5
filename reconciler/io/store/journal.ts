import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { UserError } from "../../core/errors/user-error.ts";
import type { JournalEvent } from "../../core/events.ts";
import { parseMemory, serializeMemory } from "../../core/memory-json.ts";
import type { Memory } from "../../core/memory.ts";
import type { Journal } from "../../run/ports.ts";
import { type Attributor, createAttributor } from "./attribution.ts";
import { checksum, decodeEvent, encodeEvent, type EventRow, type SnapshotRow } from "./rows.ts";
import { migrate, readMeta, requireCurrent, writeMeta } from "./schema.ts";
import { corruptJournal, notWritable, storeTrouble } from "./trouble.ts";
import { lockForWriting, type WriterLock } from "./writer-lock.ts";

export interface JournalOptions extends Partial<Retention> {
  /** The database file; its folder must exist. */
  readonly path: string;
  /** Name of the fleet: a journal opened for another one is refused. */
  readonly fleet?: string;
  /** Most bytes the file may take; at the limit a write fails as on a full disk. Default: no limit. */
  readonly maxBytes?: number;
  /** How long to wait for another program's lock on the file; default 5 s. */
  readonly busyTimeoutMs?: number;
}

/** Which events stay after a snapshot has made them superfluous for the fold. */
export interface Retention {
  /** Those of the newest Tasks; default 500. */
  readonly keepTasks: number;
  /** Those not older than this, reckoned from the newest event; default 7 days. */
  readonly keepForMs: number;
  /** Of all of these at most so many; default 1,000,000. */
  readonly keepEvents: number;
}

/** A journal in a file; every method throws a UserError when the file is damaged or the disk is full. */
export interface StoredJournal extends Journal {
  /** How many events a restart would have to fold. */
  eventsSinceSnapshot(): number;
}

const RETENTION: Retention = { keepTasks: 500, keepForMs: 7 * 86_400_000, keepEvents: 1_000_000 };
const EVENT_COLUMNS = "sequence, at_ms, type, set_name, task_id, body, checksum";
const PAGE_BYTES = 4096;
const BUSY_TIMEOUT_MS = 5000;
const MAX_WAL_BYTES = 64 << 20;

/**
 * Opens the journal for its one writer, makes it when there is none, and brings an older format up to date.
 * Throws a UserError when another process writes it, when it is damaged, not ours, too new, or can't be written.
 */
export function openJournal(options: JournalOptions): StoredJournal {
  const { path } = options;
  requireWritable(path);
  const lock = lockForWriting(path);
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: options.busyTimeoutMs ?? BUSY_TIMEOUT_MS });
    configure(database, options.maxBytes);
    migrate(database, path);
    requireIntact(database, path);
    requireFleet(database, path, options.fleet);
    return new SqliteJournal(database, path, { ...RETENTION, ...options }, lock);
  } catch (error) {
    database?.close();
    lock.release();
    throw storeTrouble(error, path);
  }
}

/** Opens the journal for reading, also while a daemon writes it. append() and snapshot() throw. */
export function openJournalReadOnly({ path }: { readonly path: string }): StoredJournal {
  if (!existsSync(path)) {
    throw new UserError("state-empty", `there is no journal at ${path}`, "give the daemon's folder with --state, or start a daemon");
  }
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, readOnly: true });
    requireCurrent(database, path);
    return new SqliteJournal(database, path, RETENTION, null);
  } catch (error) {
    database?.close();
    throw storeTrouble(error, path);
  }
}

class SqliteJournal implements StoredJournal {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #retention: Retention;
  readonly #lock: WriterLock | null;
  readonly #insert: StatementSync;
  /** Number of the last event. */
  #sequence: number;
  #snapshotSequence: number;
  /** null: to be made anew from the file. */
  #attributor: Attributor | null = null;

  constructor(database: DatabaseSync, path: string, retention: Retention, lock: WriterLock | null) {
    this.#database = database;
    this.#path = path;
    this.#retention = retention;
    this.#lock = lock;
    this.#insert = database.prepare(`INSERT INTO events (${EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`);
    this.#snapshotSequence = numberOf(database, "SELECT max(sequence) AS number FROM snapshots");
    this.#sequence = Math.max(this.#snapshotSequence, numberOf(database, "SELECT max(sequence) AS number FROM events"));
  }

  load(): { memory: Memory | null; events: readonly JournalEvent[] } {
    return this.#guarded(() => {
      const memory = this.#loadSnapshot();
      const after = memory?.sequence ?? 0;
      const events = this.#decode(this.#rows("WHERE sequence > ? ORDER BY sequence", after), after);
      this.#attributor = createAttributor(memory, events);
      return { memory, events };
    });
  }

  append(events: readonly JournalEvent[]): void {
    if (events.length === 0) return;
    if (this.#attributor === null) this.load();
    const attributor = this.#attributor!;
    this.#transaction(() => {
      let sequence = this.#sequence;
      for (const event of events) this.#insert.run(...encodeEvent(++sequence, event, attributor.attribute(event)));
    });
    this.#sequence += events.length;
  }

  snapshot(memory: Memory): void {
    const { sequence } = memory;
    if (sequence > this.#sequence || sequence < this.#snapshotSequence) {
      throw new Error(`a snapshot at event ${sequence}; possible are ${this.#snapshotSequence} to ${this.#sequence}`);
    }
    const body = JSON.stringify(serializeMemory(memory));
    this.#transaction(() => {
      this.#database.exec("DELETE FROM snapshots");
      this.#database
        .prepare("INSERT INTO snapshots (sequence, body, checksum) VALUES (?, ?, ?)")
        .run(sequence, body, checksum(sequence, body));
      this.#dropEvents(sequence);
    });
    this.#snapshotSequence = sequence;
  }

  eventsSinceSnapshot(): number {
    return this.#sequence - this.#snapshotSequence;
  }

  eventsOfTask(taskId: string): readonly JournalEvent[] {
    return this.#query("WHERE task_id = ? ORDER BY sequence", taskId);
  }

  recentTasks(limit: number): readonly JournalEvent[] {
    const newest = "type = 'task.opened' ORDER BY sequence DESC LIMIT ?";
    const opened = this.#query(`WHERE ${newest}`, limit);
    const tasks = `SELECT task_id FROM events WHERE ${newest}`;
    return [...opened, ...this.#query(`WHERE type = 'task.closed' AND task_id IN (${tasks}) ORDER BY sequence`, limit)];
  }

  eventsOfSet(set: string, limit: number): readonly JournalEvent[] {
    return this.#query("WHERE set_name = ? ORDER BY sequence DESC LIMIT ?", set, limit).toReversed();
  }

  close(): void {
    if (!this.#database.isOpen) return;
    this.#database.close();
    this.#lock?.release();
  }

  #loadSnapshot(): Memory | null {
    const row = this.#database.prepare("SELECT * FROM snapshots ORDER BY sequence DESC LIMIT 1").get() as SnapshotRow | undefined;
    if (row === undefined) return null;
    if (row.checksum !== checksum(row.sequence, row.body))
      throw corruptJournal(this.#path, `the snapshot at event ${row.sequence} was altered`);
    return parseMemory(JSON.parse(row.body));
  }

  #query(where: string, ...parameters: (string | number)[]): readonly JournalEvent[] {
    return this.#guarded(() => this.#decode(this.#rows(where, ...parameters), null));
  }

  #rows(where: string, ...parameters: (string | number)[]): Iterable<EventRow> {
    const statement = this.#database.prepare(`SELECT ${EVENT_COLUMNS} FROM events ${where}`);
    statement.setReturnArrays(true);
    return statement.iterate(...parameters) as Iterable<unknown> as Iterable<EventRow>;
  }

  /** Events of the rows; with `after`, the first must have number `after` + 1 and the others follow without a gap. */
  #decode(rows: Iterable<EventRow>, after: number | null): JournalEvent[] {
    const events: JournalEvent[] = [];
    for (const row of rows) {
      const event = decodeEvent(row);
      if (event === null) throw corruptJournal(this.#path, `event ${row[0]} was altered`);
      if (after !== null && row[0] !== after + events.length + 1) {
        throw corruptJournal(this.#path, `event ${after + events.length + 1} is missing`);
      }
      events.push(event);
    }
    return events;
  }

  /** Drops what neither the fold (events up to `folded` are in the snapshot) nor the retention needs. */
  #dropEvents(folded: number): void {
    const { keepTasks, keepForMs, keepEvents } = this.#retention;
    this.#database.prepare("DELETE FROM events WHERE sequence <= ?").run(Math.min(folded, this.#sequence - keepEvents));
    const newestMs = numberOf(this.#database, "SELECT at_ms AS number FROM events ORDER BY sequence DESC LIMIT 1");
    const isRecent = "SELECT sequence AS number FROM events WHERE at_ms >= ? ORDER BY sequence LIMIT 1";
    const firstRecent = numberOf(this.#database, isRecent, newestMs - keepForMs);
    this.#database
      .prepare(
        `DELETE FROM events WHERE sequence <= ? AND sequence < ? AND (task_id IS NULL OR task_id NOT IN
           (SELECT task_id FROM events WHERE type = 'task.opened' ORDER BY sequence DESC LIMIT ?))`,
      )
      .run(folded, firstRecent, keepTasks);
  }

  /** All of it or nothing, and on disk when this returns. */
  #transaction(write: () => void): void {
    this.#guarded(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        write();
        this.#database.exec("COMMIT");
      } catch (error) {
        this.#attributor = null;
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  #guarded<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw storeTrouble(error, this.#path);
    }
  }
}

function configure(database: DatabaseSync, maxBytes: number | undefined): void {
  database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  database.exec(`PRAGMA journal_size_limit = ${MAX_WAL_BYTES}`);
  if (maxBytes !== undefined) database.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / PAGE_BYTES)}`);
}

/** The folder must be there, and it and the journal's files in it writable: SQLite itself would fall back to reading. */
function requireWritable(path: string): void {
  const folder = dirname(path);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new UserError(
      "state-folder",
      `there is no folder ${folder} for the journal`,
      `make it (mkdir -p ${folder}), or give another with --state`,
    );
  }
  for (const place of [folder, path, `${path}.lock`, `${path}.holder`]) {
    try {
      if (place === folder || existsSync(place)) accessSync(place, constants.W_OK);
    } catch (error) {
      throw notWritable(place, (error as Error).message);
    }
  }
}

function requireIntact(database: DatabaseSync, path: string): void {
  const row = database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
  if (row.quick_check !== "ok") throw corruptJournal(path, row.quick_check.replaceAll("\n", "; "));
}

function requireFleet(database: DatabaseSync, path: string, fleet: string | undefined): void {
  if (readMeta(database, "created") === null) writeMeta(database, "created", new Date().toISOString());
  if (fleet === undefined) return;
  const found = readMeta(database, "fleet");
  if (found === null) writeMeta(database, "fleet", fleet);
  else if (found !== fleet) {
    throw new UserError(
      "journal-fleet",
      `the journal ${path} belongs to the fleet ${found}, not to ${fleet}`,
      "give this fleet a folder of its own with --state",
    );
  }
}

/** The column `number` of the first row; 0 when there is none. */
function numberOf(database: DatabaseSync, sql: string, ...parameters: number[]): number {
  const row = database.prepare(sql).get(...parameters) as { number: number | null } | undefined;
  return row?.number ?? 0;
}
