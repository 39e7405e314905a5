import { closeSync, openSync, readFileSync, writeSync, constants } from "node:fs";
import { join } from "node:path";

/** When the lease was last renewed, in the time of one boot of the kernel. */
export interface LeaseNote {
  readonly bootId: string;
  /** Machine.uptimeMs() of the heartbeat that was echoed. */
  readonly renewedAtMs: number;
}

/** Keeps the note for the next run of the agent. */
export interface LeaseFile {
  read(): LeaseNote | null;
  write(note: LeaseNote): void;
  close(): void;
}

/** Room for a note; one write of the kernel, so that a killed agent leaves the old one or the new one. */
const NOTE_BYTES = 128;

/**
 * Written every second, and so without fsync: it has to outlive the process only, not the kernel, with whose boot the lease ends anyway.
 * A note that can't be read is no lease.
 */
export function openLeaseFile(folder: string): LeaseFile {
  const path = join(folder, "lease");
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  return {
    read() {
      try {
        const { bootId, renewedAtMs } = JSON.parse(readFileSync(path, "utf8")) as LeaseNote;
        return typeof bootId === "string" && Number.isFinite(renewedAtMs) ? { bootId, renewedAtMs } : null;
      } catch {
        return null;
      }
    },
    write(note) {
      writeSync(descriptor, JSON.stringify(note).padEnd(NOTE_BYTES), 0);
    },
    close: () => closeSync(descriptor),
  };
}
