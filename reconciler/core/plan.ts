import type { DesiredSet, LiveSettings, Desired } from "./desired.ts";
import type { EventBody } from "./events.ts";
import type { Memory } from "./memory.ts";
import type { Fleet } from "./observation.ts";

/** Everything a pass decides from. Saved as JSON it replays any bug. */
export interface PlanInput {
  readonly nowMs: number;
  /** The monotonic clock (Clock.monotonic): for how long a host was not heard. Never jumps. */
  readonly monotonicMs: number;
  /** Monotonic time at which this reconciler began to listen: hosts it never heard count as unheard since then. */
  readonly startedAtMs: number;
  readonly desired: Desired;
  /** Why nothing may be destroyed in this pass (a manifest failed to load, the fetch failed); null: may. */
  readonly destroysFrozen: string | null;
  readonly memory: Memory;
  readonly fleet: Fleet;
  /** Keys of slots with a step under way or whose effect was not observed yet: left alone in this pass. */
  readonly busy: ReadonlySet<string>;
}

/** What a pass decided; plain data, immutable. */
export interface Plan {
  /** First 16 hex digits over changes and actions: same work, same hash. */
  readonly hash: string;
  readonly commit: string;
  /** Sorted by set, index, generation. Every slot of a Set in which anything is not `keep`. */
  readonly changes: readonly Change[];
  /** Slots of Sets in which nothing changes. */
  readonly unchanged: number;
  /** `needs` point to earlier entries of this list. */
  readonly actions: readonly Action[];
  /** Journal events to write before the first action: claims, tasks, adoptions. */
  readonly intents: readonly EventBody[];
  readonly problems: readonly Problem[];
  /** Destroys over a pool's budget, left out of `actions` until a person confirms their hash. */
  readonly held: readonly HeldDestroys[];
  /** Destroys over budget that a person confirmed: the lists those hashes stand for. */
  readonly confirmed: readonly ConfirmedDestroys[];
  /** When a later pass may decide otherwise though nothing else changed (backoff, schedule, hold); null: never. */
  readonly wakeAtMs: number | null;
}

export type ChangeKind = "keep" | "create" | "update" | "replace" | "move" | "remove" | "blocked";

export interface Change {
  readonly set: string;
  readonly index: number;
  readonly kind: ChangeKind;
  /** Where the slot is or will be; null when it has no host. */
  readonly host: string | null;
  /** The host it leaves, for a move; null otherwise. */
  readonly from: string | null;
  readonly generation: number;
  /** What differs, as a person says it: `image web 1.4 -> 1.5`; may be empty. */
  readonly what: string;
  /** The Decision: why this kind, why this host, what it waits for. */
  readonly decision: Decision;
  readonly taskId: string;
}

/** Why: a code from docs/ERRORS.md or DECISIONS and a sentence. */
export interface Decision {
  /** e.g. `place`, `rollout`, `heal`, `scale`, `hold`, `wait.host-unknown`, `blocked.capacity`. */
  readonly code: string;
  readonly text: string;
}

export interface Problem {
  readonly code: string;
  readonly severity: "error" | "warning";
  /** `set/web`, `slot/web/3`, `host/a-1`, `pool/main`, `zone/main/a`, `trash/a-1/ID` or `source`. */
  readonly subject: string;
  readonly text: string;
}

export interface ConfirmedDestroys {
  readonly pool: string;
  /** `web/3@2`: slot and generation; sorted. */
  readonly slots: readonly string[];
}

export interface HeldDestroys {
  readonly pool: string;
  readonly zone: string;
  readonly destroys: number;
  readonly budget: number;
  /** What `setpoint confirm` takes: over commit, pool, zone and the slots. */
  readonly hash: string;
}

interface Step {
  /** Position in `Plan.actions`. */
  readonly number: number;
  readonly host: string;
  readonly set: string;
  readonly index: number;
  readonly generation: number;
  readonly taskId: string;
  /** Numbers of the actions that must be done first. */
  readonly needs: readonly number[];
  /** Spec hash this step works toward; failures are counted against it. */
  readonly input: string;
  /** Longest a host may take; milliseconds. */
  readonly deadlineMs: number;
}

/** One idempotent step on one host. */
export type Action = Step &
  (
    | { readonly kind: "pullImage"; readonly image: string }
    /** `filesystem` null: a folder with a soft limit, not a logical volume. */
    | { readonly kind: "createVolume"; readonly volume: string; readonly filesystem: "ext4" | "xfs" | null; readonly sizeBytes: number }
    | { readonly kind: "growVolume"; readonly volume: string; readonly sizeBytes: number }
    /** Address, VLAN and both rates of the Instance's one port. Rates in bit/s, null = no limit. */
    | {
        readonly kind: "attachPort";
        readonly ip: string;
        readonly vlan: number | null;
        readonly ingressBps: number | null;
        readonly egressBps: number | null;
      }
    /** Infra container, then app containers in order. Absolute: done when exactly `spec` runs. */
    | { readonly kind: "startInstance"; readonly spec: InstanceSpec; readonly ip: string }
    | { readonly kind: "awaitHealthy" }
    | { readonly kind: "updateLive"; readonly live: LiveSettings; readonly liveHash: string; readonly spec: InstanceSpec }
    /** Recreate only the named app containers; infra, IP, port and volumes stay. */
    | { readonly kind: "replaceContainers"; readonly containers: readonly string[]; readonly spec: InstanceSpec }
    | { readonly kind: "stopInstance"; readonly graceMs: number }
    /** Containers removed; from then on the host refuses this generation and older ones. */
    | { readonly kind: "removeInstance" }
    /** Done only when the host sees no container of the generation. */
    | { readonly kind: "confirmGone" }
    | { readonly kind: "detachPort" }
    /** To the trash, with who and when; data kept. */
    | { readonly kind: "trashVolume"; readonly volume: string; readonly commit: string; readonly trashedAtMs: number }
    /**
     * Out of the trash and into the slot, under the name `volume`, with all its data; its size and file system stay as they are. Done when
     * the trash has no such entry and the slot has the volume; refused when both are there, or neither.
     */
    | { readonly kind: "restoreVolume"; readonly volume: string; readonly trashId: string; readonly trashedAtMs: number }
    /** The only step that destroys data: one expired entry of the trash. */
    | { readonly kind: "purgeVolume"; readonly trashId: string; readonly trashedAtMs: number }
  );

export type ActionKind = Action["kind"];

/** What an Instance should be; shared by all slots of a Set. */
export type InstanceSpec = Pick<
  DesiredSet,
  "template" | "infraHash" | "containerHashes" | "specHash" | "live" | "liveHash" | "resources" | "hostPorts" | "exclusive" | "priority"
>;
