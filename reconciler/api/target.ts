import type { ManifestProblem } from "../core/manifests.ts";
import type { Plan } from "../core/plan.ts";
import type { Journal } from "../run/ports.ts";
import type { OperatorEvent } from "../run/reconciler.ts";
import type { Picture } from "./rows.ts";
import type { LiveEvent } from "./types.ts";

/** What the control server needs of a running reconciler; wired by the composition root. */
export interface ControlTarget {
  readonly fleet: string;
  /** What the newest pass saw and decided. */
  picture(): Picture;
  readonly journal: Pick<Journal, "eventsOfTask" | "recentTasks" | "eventsOfSet">;
  /** Journals what an operator said, and makes the next pass come at once. */
  record(event: OperatorEvent): void;
  /** Looks at the repository and plans again now. */
  nudge(): void;
  /** What a folder's manifests would change. */
  planFolder(dir: string, signal: AbortSignal): Promise<FolderPlan>;
  /** Calls back on all that happens; returns how to stop that. */
  subscribe(listener: (event: LiveEvent) => void): () => void;
  /** Puts a fault on a simulated host; null where hosts are real. Throws a UserError for an unknown host. */
  readonly simulate: ((host: string, fault: SimFault) => void) | null;
}

export type SimFault = "off" | "on" | "hang" | "cut";

/** A plan for a folder, or why its manifests are not valid. */
export type FolderPlan =
  | { readonly kind: "plan"; readonly plan: Plan }
  | { readonly kind: "invalid"; readonly problems: readonly ManifestProblem[] };
