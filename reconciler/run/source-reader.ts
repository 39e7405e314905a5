import { createAlarm } from "./alarm.ts";
import { withDeadline } from "./deadline.ts";
import type { Clock, Source, SourceReading } from "./ports.ts";

/** Reads the source, one read at a time, when it may have changed and from time to time. */
export interface SourceReader {
  /** The source may be new: read it soon. During a read: once more after it, so that the newest state wins. */
  nudge(): void;
  /** A read is under way or due now. */
  reading(): boolean;
  /** Runs until the lifetime ends. */
  run(): Promise<void>;
}

export interface SourceReaderOptions {
  /** Time from one read to the next when nothing calls for it. */
  readonly pollMs: number;
  /** The same after a read that failed. */
  readonly rereadMs: number;
  readonly readDeadlineMs: number;
}

export interface SourceReaderPorts {
  readonly source: Source;
  readonly clock: Clock;
  readonly lifetime: AbortSignal;
  /** Takes a reading in; the next read waits for it. */
  readonly take: (reading: SourceReading, signal: AbortSignal) => Promise<void>;
  /** A reading was taken in. */
  readonly done: () => void;
}

/** A reader that did not read yet. */
export function createSourceReader(ports: SourceReaderPorts, options: SourceReaderOptions): SourceReader {
  const { source, clock, lifetime } = ports;
  const alarm = createAlarm(clock);
  let nextAt = clock.monotonic();
  let underWay = false;
  const nudge = (): void => {
    nextAt = clock.monotonic();
    alarm.wakeBy(nextAt);
  };
  const readOnce = async (): Promise<void> => {
    nextAt = Infinity;
    const reading = await readWithin(ports, options.readDeadlineMs);
    await ports.take(reading, lifetime);
    nextAt = Math.min(nextAt, clock.monotonic() + (reading.kind === "failed" ? options.rereadMs : options.pollMs));
  };
  const ended = (): void => {
    underWay = false;
    ports.done();
  };
  return {
    nudge,
    reading: () => underWay || nextAt <= clock.monotonic(),
    async run() {
      lifetime.addEventListener("abort", () => alarm.wakeBy(-Infinity), { once: true });
      source.watch(nudge);
      while (!lifetime.aborted) {
        underWay = nextAt <= clock.monotonic();
        if (underWay) await readOnce();
        if (underWay) ended();
        if (!lifetime.aborted) await alarm.sleepUntil(nextAt);
      }
    },
  };
}

/** One read. Whatever goes wrong is a reading that failed; only the end of the lifetime throws. */
async function readWithin({ source, clock, lifetime }: SourceReaderPorts, deadlineMs: number): Promise<SourceReading> {
  try {
    return await withDeadline(clock, deadlineMs, lifetime, (signal) => source.read(signal));
  } catch (error) {
    lifetime.throwIfAborted();
    return { kind: "failed", code: "source-read", why: error instanceof Error ? error.message : String(error) };
  }
}
