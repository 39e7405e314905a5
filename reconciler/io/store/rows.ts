import { crc32 } from "node:zlib";
import type { JournalEvent } from "../../core/events.ts";
import type { Attribution } from "./attribution.ts";

/** A row of the table `events`. `body` is the event's other fields as JSON. */
export interface EventRow {
  readonly sequence: number;
  readonly at_ms: number;
  readonly type: string;
  readonly set_name: string | null;
  readonly task_id: string | null;
  readonly body: string;
  readonly checksum: number;
}

/** A row of the table `snapshots`: Memory after event `sequence`, as JSON. */
export interface SnapshotRow {
  readonly sequence: number;
  readonly body: string;
  readonly checksum: number;
}

export function encodeEvent(sequence: number, event: JournalEvent, { set, taskId }: Attribution): EventRow {
  const { atMs, type, ...fields } = event;
  const body = JSON.stringify(fields);
  return { sequence, at_ms: atMs, type, set_name: set, task_id: taskId, body, checksum: checksum(sequence, atMs, type, set, taskId, body) };
}

/** Null when the row is not what was written. */
export function decodeEvent(row: EventRow): JournalEvent | null {
  const expected = checksum(row.sequence, row.at_ms, row.type, row.set_name, row.task_id, row.body);
  if (row.checksum !== expected) return null;
  return { atMs: row.at_ms, type: row.type, ...(JSON.parse(row.body) as object) } as JournalEvent;
}

/**
 * CRC-32 over the columns of a row. SQLite's own check looks at the structure of the file, so a bit that flipped
 * within a text would pass it.
 */
export function checksum(...columns: readonly (string | number | null)[]): number {
  return crc32(columns.join("\n"));
}
