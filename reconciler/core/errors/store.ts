import type { ErrorEntry } from "./entry.ts";

export const STORE_ERRORS = {
  "journal-busy": {
    what: "Another program (a database browser, a backup) keeps the journal's file locked for longer than a few seconds.",
    fix: "Close that program. To look at a journal while the daemon runs, use `setpoint trace` and `setpoint explain`, or a copy of the file.",
  },
  "journal-corrupt": {
    what: "The journal's file is damaged: its header, its structure or the checksum of a row is not what was written.",
    fix: "Move the journal's files (journal.db and those whose names begin with it) to another folder and start again: placements and addresses are rebuilt from the hosts. Traces, confirmations and holds of the past are lost.",
  },
  "journal-disk-full": {
    what: "There is no room left to write the journal, so nothing is changed on any host.",
    fix: "Free some disk space; what was acknowledged before is kept.",
  },
  "journal-fleet": {
    what: "The journal in the state folder belongs to another fleet.",
    fix: "Give each fleet a state folder of its own with --state.",
  },
  "journal-foreign": {
    what: "The file in the journal's place is a SQLite database of another program.",
    fix: "Give another state folder with --state, or move the file away.",
  },
  "journal-io": {
    what: "The operating system reported an error when the journal was read or written.",
    fix: "Check the disk and the kernel's log; start again when it is mended, or restore the state folder from a copy.",
  },
  "journal-version": {
    what: "The journal has a format of another version of Setpoint: a newer one, or an older one that a reading verb can't bring up to date.",
    fix: "For a newer format use the newer Setpoint. An older format is brought up to date when the daemon starts.",
  },
  "memory-version": {
    what: "A saved snapshot of what the journal adds up to has a format that this Setpoint does not read.",
    fix: "Use the version of Setpoint that wrote it, or a newer one.",
  },
} as const satisfies Record<string, ErrorEntry>;
