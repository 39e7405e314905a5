import type { ManifestProblem } from "../core/manifests.ts";
import type { Change, HeldDestroys, Problem } from "../core/plan.ts";
import type { TaskTrigger, TaskVerdict } from "../core/memory.ts";

/**
 * The JSON that the control socket speaks and that `-o json` prints (docs/CLI.md). Times are milliseconds since
 * 1970 and end in `AtMs`; sizes are bytes; cpu is in thousandths of a core. Fields are only ever added.
 */

/** What `setpoint get` lists. */
export const OBJECT_KINDS = ["sets", "slots", "hosts", "pools", "tasks", "revisions", "holds", "trash", "problems"] as const;
export type ObjectKind = (typeof OBJECT_KINDS)[number];

export interface StatusReport {
  readonly fleet: string;
  /** `converged`: nothing to do; `working`: steps under way or due; `blocked`: waits for a person or for room; `starting`: nothing decided yet. */
  readonly state: "starting" | "working" | "converged" | "blocked";
  /** The commit the fleet is being brought to; null before the first valid one. */
  readonly commit: string | null;
  /** Why the newest commit is not what runs; null while it is. */
  readonly rejected: { readonly commit: string | null; readonly why: string; readonly atMs: number } | null;
  readonly sets: { readonly total: number; readonly ready: number };
  readonly instances: { readonly wanted: number; readonly ready: number };
  readonly hosts: { readonly total: number; readonly reachable: number };
  readonly actionsRunning: number;
  /** Work left by kind of change; `blocked` needs a person or room, `waiting` goes on by itself. */
  readonly changes: Readonly<Record<string, number>>;
  /** What blocked and waiting slots wait for, by Set and reason. */
  readonly waits: readonly WaitRow[];
  readonly tasks: readonly TaskRow[];
  readonly held: readonly HeldDestroys[];
  readonly holds: readonly HoldRow[];
  /** Entries of the trash that are to be restored. */
  readonly restores: readonly TrashRow[];
  readonly problems: readonly Problem[];
}

export interface WaitRow {
  readonly set: string;
  readonly slots: number;
  readonly code: string;
  /** The first slot's reason in words. */
  readonly why: string;
}

export interface SetRow {
  readonly name: string;
  readonly pools: readonly string[];
  readonly priority: string;
  readonly wanted: number;
  readonly placed: number;
  readonly ready: number;
  /** Ready and of the newest manifest. */
  readonly current: number;
  readonly state: "ready" | "working" | "held" | "blocked" | "removing";
  readonly images: readonly string[];
  readonly taskId: string | null;
}

export interface SlotRow {
  /** `web/3`. */
  readonly slot: string;
  /** Phase of its Instance; `unknown`: its host is silent; `absent`: none runs. */
  readonly phase: "absent" | "created" | "running" | "failed" | "stopped" | "fenced" | "unknown";
  readonly healthy: boolean;
  readonly host: string | null;
  readonly zone: string | null;
  readonly generation: number;
  readonly ip: string | null;
  readonly images: readonly string[];
  /** Why it is on that host. */
  readonly why: string;
  /** What the driver says is wrong; empty when all is well. */
  readonly message: string;
  /** Logical volumes and folders of the slot on that host, as it showed them last. */
  readonly volumes: readonly VolumeFacts[];
}

export interface VolumeFacts {
  readonly name: string;
  readonly kind: "lvm" | "dir";
  /** Of a folder: its soft limit. */
  readonly sizeBytes: number;
  readonly usedBytes: number;
}

export interface HostRow {
  readonly name: string;
  readonly pool: string;
  readonly zone: string;
  readonly rack: string;
  /** Manifest and operator together; `dead`: confirmed dead by an operator. */
  readonly state: "active" | "cordoned" | "draining" | "dead";
  readonly reachable: boolean;
  readonly instances: number;
  readonly cpu: Usage;
  readonly memory: Usage;
  /** For logical volumes. */
  readonly disk: DiskUsage;
  /** Why it can't be reached, or why an operator changed its state. */
  readonly note: string;
}

/** Reserved against what may be reserved. */
export interface Usage {
  readonly reserved: number;
  readonly capacity: number;
}

export interface DiskUsage extends Usage {
  /** Taken by volumes in the trash, on top of what is reserved. */
  readonly trash: number;
}

export interface PoolRow {
  readonly name: string;
  readonly hosts: number;
  readonly reachable: number;
  readonly zones: readonly string[];
  readonly instances: number;
  readonly cpu: Usage;
  readonly memory: Usage;
  readonly disk: DiskUsage;
  /** Share (0..1) at which the alarm rings. */
  readonly watermark: number;
}

export interface TaskRow {
  readonly taskId: string;
  readonly set: string;
  readonly trigger: TaskTrigger;
  readonly commit: string;
  readonly openedAtMs: number;
  readonly closedAtMs: number | null;
  /** null while open. */
  readonly verdict: TaskVerdict | null;
  readonly why: string;
}

export interface RevisionRow {
  /** null: the source could not be read. */
  readonly commit: string | null;
  readonly state: "running" | "rejected";
  readonly atMs: number;
  readonly why: string;
  /** Errors that refuse it, or its warnings, with file, line and column; known only to a running daemon. */
  readonly problems: readonly ManifestProblem[];
}

export interface HoldRow {
  /** `web`, `host/NAME` or `pool/NAME`: what `release` takes. */
  readonly name: string;
  readonly scope: "set" | "host" | "pool";
  readonly who: string;
  readonly why: string;
  readonly sinceMs: number;
  readonly untilMs: number | null;
}

/** A volume in the trash of a host. */
export interface TrashRow {
  /** `HOST/ID`, unique in the fleet: what `trash restore` and `trash purge` take. */
  readonly id: string;
  readonly host: string;
  /** What it was. */
  readonly set: string;
  readonly index: number;
  readonly volume: string;
  readonly kind: "lvm" | "dir";
  /** This and what else only its host can tell: null when that shows no such entry, or was not heard. */
  readonly sizeBytes: number | null;
  readonly usedBytes: number | null;
  readonly trashedAtMs: number;
  /** By which commit and Task it went to the trash. */
  readonly commit: string | null;
  readonly taskId: string | null;
  /** null: it is not going to be destroyed, because it is to be restored, or its host is in no pool. */
  readonly purgeAtMs: number | null;
  /** null: nobody asked for it. */
  readonly restore: RestoreRow | null;
  /** Who wants it destroyed before it expires; null: nobody. */
  readonly purge: { readonly who: string; readonly why: string; readonly sinceMs: number } | null;
}

export interface RestoreRow {
  /** `db/0`: where it goes. */
  readonly slot: string;
  readonly volume: string;
  readonly replace: boolean;
  readonly who: string;
  readonly why: string;
  readonly sinceMs: number;
  /** `under way`, or what it waits for. */
  readonly state: string;
}

/** Rows by kind. */
export interface ObjectRows {
  readonly sets: readonly SetRow[];
  readonly slots: readonly SlotRow[];
  readonly hosts: readonly HostRow[];
  readonly pools: readonly PoolRow[];
  readonly tasks: readonly TaskRow[];
  readonly revisions: readonly RevisionRow[];
  readonly holds: readonly HoldRow[];
  readonly trash: readonly TrashRow[];
  readonly problems: readonly Problem[];
}

export interface Explanation {
  readonly subject: string;
  /** Whole sentences, most important first. */
  readonly lines: readonly string[];
}

/** One Task with its steps, in the order they started. */
export interface TaskTrace {
  readonly task: TaskRow;
  readonly spans: readonly TraceSpan[];
}

export interface TraceSpan {
  readonly id: string;
  readonly kind: string;
  readonly slot: string;
  readonly host: string;
  readonly startedAtMs: number;
  /** null while it runs. */
  readonly endedAtMs: number | null;
  readonly outcome: "done" | "failed" | "refused" | "unknown" | null;
  readonly message: string;
}

/** One line of the event stream (`status --watch`, the demo). */
export type LiveEvent =
  | { readonly type: "revision"; readonly atMs: number; readonly commit: string; readonly text: string }
  | { readonly type: "rejected"; readonly atMs: number; readonly commit: string | null; readonly text: string }
  | { readonly type: "plan"; readonly atMs: number; readonly changes: readonly Change[]; readonly text: string }
  | { readonly type: "progress"; readonly atMs: number; readonly done: number; readonly total: number; readonly text: string }
  | { readonly type: "settled"; readonly atMs: number; readonly text: string }
  | { readonly type: "problem" | "operator"; readonly atMs: number; readonly text: string };

/** Every refused or failed request. */
export interface ErrorReply {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}
