import type { Source, SourceReading } from "../../run/ports.ts";
import type { LoadResult } from "../manifests/loader.ts";

/** What a source reads and how that went last; for `status`. */
export interface SourceDescription {
  /** Path or URL, without secrets. */
  readonly repository: string;
  /** Empty for a plain folder. */
  readonly branch: string;
  readonly folder: string;
  /** Commit of the newest reading; null before the first and while nothing can be read. */
  readonly head: string | null;
  /** Wall clock of the newest reading; null before the first. */
  readonly readAtMs: number | null;
  readonly reading: SourceReading | null;
}

/** A Source that can be asked about itself, and woken before its next poll. */
export interface WatchedSource extends Source {
  describe(): SourceDescription;
  /** Something may be new: look now. */
  nudge(): void;
}

/** What the loader made of the files, as a reading. */
export function toReading(result: LoadResult): SourceReading {
  if (result.kind === "invalid") return result;
  const { manifests, problems } = result;
  return problems.length === 0 ? { kind: "loaded", manifests } : { kind: "loaded", manifests, warnings: problems };
}

/** The commit a reading is of; null when none could be read. */
export function headOf(reading: SourceReading | null): string | null {
  if (reading === null || reading.kind === "failed") return null;
  return reading.kind === "loaded" ? reading.manifests.revision.commit : reading.commit;
}
