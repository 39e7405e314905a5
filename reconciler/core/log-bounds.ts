import type { LogBounds } from "./desired.ts";

/** What Docker keeps of a container's output where its Set says nothing: less than 30 MB. */
export const LOG_BOUNDS: LogBounds = { maxFiles: 3, maxSizeBytes: 10_000_000 };
