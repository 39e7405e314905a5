import type { Action, Change, Plan } from "../../reconciler/core/plan.ts";

const TASK = "4bf92f3577b34da6a3ce929d0e0e4736";

function change(set: string, index: number, kind: Change["kind"], host: string | null, more: Partial<Change> = {}): Change {
  return { set, index, kind, host, from: null, generation: 1, what: "", decision: { code: "keep", text: "" }, taskId: TASK, ...more };
}

function step(
  number: number,
  needs: readonly number[],
): Pick<Action, "number" | "host" | "set" | "index" | "generation" | "taskId" | "needs" | "input" | "deadlineMs"> {
  return { number, host: "bj-b-001", set: "web", index: 2, generation: 1, taskId: TASK, needs, input: "in", deadlineMs: 1000 };
}

/** One of everything a plan can hold. */
export const FULL_PLAN: Plan = {
  hash: "7c1e00000000abcd",
  commit: "9c1d04f5aa00000000000000000000000000aaaa",
  changes: [
    change("web", 0, "keep", "bj-a-001"),
    change("web", 1, "replace", "bj-a-002", {
      what: "image web 1.4 -> 1.5",
      decision: { code: "rollout", text: "stage 1/3, 25% = 1 slot" },
    }),
    change("web", 2, "create", "bj-b-001", { decision: { code: "scale", text: "cpu 82% > 70%, 2 -> 3" } }),
    change("web", 3, "blocked", null, { decision: { code: "blocked.capacity", text: "2 hosts lack memory, 1 cordoned" } }),
    change("web", 4, "move", "bj-b-002", { from: "bj-a-003", decision: { code: "move", text: "bj-a-003 is draining" } }),
    change("web", 5, "blocked", "bj-a-004", { decision: { code: "wait.rollout", text: "waits for its turn" } }),
    change("web", 6, "remove", "bj-a-004", { decision: { code: "remove", text: "the Set wants fewer" } }),
  ],
  unchanged: 12,
  actions: [
    { ...step(0, []), kind: "pullImage", image: "web:1.5" },
    { ...step(1, [0]), kind: "createVolume", volume: "data", filesystem: "ext4", sizeBytes: 1024 },
    { ...step(2, [0, 1]), kind: "trashVolume", volume: "old", commit: "9c1d04f", trashedAtMs: 1_700_000_000_000 },
  ],
  intents: [{ type: "set.counted", set: "web", count: 3, why: "x" }],
  problems: [{ code: "watermark", severity: "warning", subject: "pool/main", text: "82% of cpu is reserved | over 80%" }],
  held: [{ pool: "main", zone: "a", destroys: 12, budget: 2, hash: "00112233aabbccdd" }],
  confirmed: [],
  wakeAtMs: 1_700_000_000_000,
};

/** Converged. */
export const EMPTY_PLAN: Plan = { ...FULL_PLAN, changes: [], actions: [], intents: [], problems: [], held: [], wakeAtMs: null };
