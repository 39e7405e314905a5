import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { ERRORS } from "../../reconciler/core/errors/catalogue.ts";
import { UserError } from "../../reconciler/core/errors/user-error.ts";
import type { JournalEvent } from "../../reconciler/core/events.ts";
import { type JournalOptions, openJournal, openJournalReadOnly } from "../../reconciler/io/store/journal.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";
import { stateFolder } from "./state-folder.ts";

/** The UserError that the work throws; its code must be in the catalogue and its hint must say something. */
function troubleOf(work: () => unknown): UserError {
  try {
    work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(Object.keys(ERRORS)).toContain(error.code);
    expect(error.hint).not.toBe("");
    return error;
  }
  throw new Error("nothing was thrown");
}

function openAndClose(options: JournalOptions): void {
  openJournal(options).close();
}

/** Opens, loads and closes: what a daemon does when it starts. */
function readAll(path: string): readonly JournalEvent[] {
  const journal = openJournal({ path });
  try {
    return journal.load().events;
  } finally {
    journal.close();
  }
}

function plans(count: number): JournalEvent[] {
  const event = { type: "plan.started", hash: "0123456789abcdef", commit: "c".repeat(40), changes: 1, actions: 1 } as const;
  return Array.from({ length: count }, (_, position) => ({ atMs: 1_700_000_000_000 + position, ...event }));
}

/** Path of a closed journal that holds the events. */
function journalWith(events: readonly JournalEvent[]): string {
  const path = join(stateFolder(), "journal.db");
  const journal = openJournal({ path, fleet: "main" });
  journal.append(events);
  journal.close();
  return path;
}

describe("a damaged journal", () => {
  test("with a bad header is refused, and says how to go on without it", () => {
    const path = journalWith(plans(10));
    writeFileSync(path, "this is no database at all, but long enough to look at: ".repeat(100));
    const trouble = troubleOf(() => readAll(path));
    expect(trouble).toMatchObject({ code: "journal-corrupt", message: `the journal ${path} is damaged: file is not a database` });
    expect(trouble.hint).toMatch(/^move .*journal\.db\* to another folder and start again; placements and addresses are then rebuilt/);
  });

  test("that lost its end is refused", () => {
    const path = journalWith(plans(2000));
    truncateSync(path, 40_000);
    expect(troubleOf(() => readAll(path)).code).toBe("journal-corrupt");
  });

  test("in which any one byte changed is refused, or the byte did not matter", () => {
    const events = plans(60);
    const path = journalWith(events);
    const bytes = readFileSync(path);
    let refused = 0;
    for (let offset = 100; offset < bytes.length; offset += 389) {
      const damaged = Buffer.from(bytes);
      damaged[offset]! ^= 1 << (offset % 8);
      writeFileSync(path, damaged);
      try {
        expect(readAll(path)).toEqual(events);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        expect(["journal-corrupt", "journal-version", "journal-foreign"], `offset ${offset}`).toContain(error.code);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
  });

  test("whose snapshot was altered, or that lacks an event, is refused", () => {
    const path = journalWith(plans(3));
    const edit = (sql: string): void => {
      const database = new DatabaseSync(path);
      database.exec(sql);
      database.close();
    };
    edit("DELETE FROM events WHERE sequence = 2");
    expect(troubleOf(() => readAll(path)).message).toContain("event 2 is missing");
    const other = openJournal({ path: `${path}-2` });
    other.append(plans(3));
    other.snapshot(fold(emptyMemory(), plans(3)));
    other.close();
    copyFileSync(`${path}-2`, path);
    edit("UPDATE snapshots SET body = replace(body, '\"plans\":3', '\"plans\":4')");
    expect(troubleOf(() => readAll(path)).message).toContain("the snapshot at event 3 was altered");
  });

  test("moved away leaves room for a new one", () => {
    const path = journalWith(plans(1));
    writeFileSync(path, "no database".repeat(1000));
    expect(troubleOf(() => readAll(path)).code).toBe("journal-corrupt");
    renameSync(path, `${path}.moved`);
    expect(readAll(path)).toEqual([]);
  });
});

describe("a journal of another kind is refused:", () => {
  test("of a newer format", () => {
    const path = journalWith([]);
    const database = new DatabaseSync(path);
    database.exec("UPDATE meta SET value = '99' WHERE key = 'schema'");
    database.close();
    const trouble = troubleOf(() => openAndClose({ path }));
    expect(trouble.code).toBe("journal-version");
    expect(trouble.message).toMatch(/has format 99; this Setpoint knows formats up to \d+$/);
    expect(troubleOf(() => openJournalReadOnly({ path })).code).toBe("journal-version");
  });

  test("of another program", () => {
    const path = join(stateFolder(), "journal.db");
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE songs (title TEXT)");
    database.close();
    expect(troubleOf(() => openAndClose({ path })).code).toBe("journal-foreign");
  });

  test("of another fleet", () => {
    const path = journalWith([]);
    openAndClose({ path, fleet: "main" });
    const trouble = troubleOf(() => openAndClose({ path, fleet: "test" }));
    expect(trouble).toMatchObject({ code: "journal-fleet", message: `the journal ${path} belongs to the fleet main, not to test` });
  });
});

describe("a place that can't hold a journal is refused:", () => {
  test("a folder that is not there", () => {
    const path = join(stateFolder(), "missing", "journal.db");
    expect(troubleOf(() => openAndClose({ path }))).toMatchObject({ code: "state-folder", hint: expect.stringContaining("mkdir -p") });
    expect(troubleOf(() => openJournalReadOnly({ path })).code).toBe("state-empty");
  });

  test("a file where the folder should be, a folder where the file should be", () => {
    const folder = stateFolder();
    writeFileSync(join(folder, "file"), "");
    expect(troubleOf(() => openAndClose({ path: join(folder, "file", "journal.db") })).code).toBe("state-folder");
    mkdirSync(join(folder, "journal.db"));
    expect(troubleOf(() => openAndClose({ path: join(folder, "journal.db") })).code).toBe("state-folder");
  });

  test("a folder without write permission, with and without a journal in it", () => {
    const folder = stateFolder();
    chmodSync(folder, 0o555);
    onTestFinished(() => chmodSync(folder, 0o755));
    expect(openAsNobody(join(folder, "journal.db"))).toBe("state-folder");
    chmodSync(folder, 0o755);
    openAndClose({ path: join(folder, "journal.db") });
    chmodSync(folder, 0o555);
    expect(openAsNobody(join(folder, "journal.db"))).toBe("state-folder");
  });

  test("a full disk: the batch is not written, what was acknowledged stays, and with room again it goes on", () => {
    const path = join(stateFolder(), "journal.db");
    const small = openJournal({ path, maxBytes: 200_000 });
    small.append(plans(100));
    expect(troubleOf(() => small.append(plans(5000))).code).toBe("journal-disk-full");
    expect(small.load().events).toEqual(plans(100));
    small.append(plans(1));
    small.close();
    const roomy = openJournal({ path });
    roomy.append(plans(5000));
    expect(roomy.load().events).toHaveLength(5101);
    roomy.close();
  });
});

test("another program's lock on the file is waited for, then named", () => {
  const path = journalWith([]);
  const journal = openJournal({ path, busyTimeoutMs: 50 });
  onTestFinished(() => journal.close());
  const browser = new DatabaseSync(path);
  browser.exec("BEGIN IMMEDIATE");
  expect(troubleOf(() => journal.append(plans(1))).code).toBe("journal-busy");
  browser.close();
  journal.append(plans(2));
  expect(journal.load().events).toEqual(plans(2));
});

/**
 * Code of the UserError when a user without rights opens the journal. The modules are loaded first, since that
 * user may not be able to read them either.
 */
function openAsNobody(path: string): string {
  const script = `
    const { openJournal } = await import(${JSON.stringify(join(import.meta.dirname, "../../reconciler/io/store/journal.ts"))});
    if (process.getuid() === 0) process.setuid(65534);
    try { openJournal({ path: ${JSON.stringify(path)} }); console.log("opened"); } catch (error) { console.log(error.code ?? String(error)); }
  `;
  const child = spawnSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8", timeout: 10_000 });
  return child.stdout.trim() + child.stderr;
}
