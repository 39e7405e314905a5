import { crc32 } from "node:zlib";
import type { JournalEvent } from "../../core/events.ts";
import type { Attribution } from "./attribution.ts";

/** The columns of the table `events`, in order. `body` is the event's other fields as JSON. */
export type EventRow = readonly [
  sequence: number,
  atMs: number,
  type: string,
  set: string | null,
  taskId: string | null,
  body: string,
  checksum: number,
];

/** A row of the table `snapshots`: Memory after event `sequence`, as JSON. */
export interface SnapshotRow {
  readonly sequence: number;
  readonly body: string;
  readonly checksum: number;
}

export function encodeEvent(sequence: number, event: JournalEvent, { set, taskId }: Attribution): EventRow {
  const { atMs, type, ...fields } = event;
  const body = JSON.stringify(fields);
  return [sequence, atMs, type, set, taskId, body, checksum(sequence, atMs, type, set, taskId, body)];
}

/** Null when the row is not what was written. */
export function decodeEvent([sequence, atMs, type, set, taskId, body, written]: EventRow): JournalEvent | null {
  if (written !== checksum(sequence, atMs, type, set, taskId, body)) return null;
  const event = JSON.parse(body) as { atMs: number; type: string };
  event.atMs = atMs;
  event.type = type;
  return event as JournalEvent;
}

/**
 * CRC-32 over the columns of a row. SQLite's own check looks at the structure of the file, so a bit that flipped
 * within a text would pass it.
 */
export function checksum(...columns: readonly (string | number | null)[]): number {
  return crc32(columns.join("\n"));
}
