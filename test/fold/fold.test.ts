import { describe, expect, test } from "vitest";
import type { EventBody } from "../../reconciler/core/events.ts";
import { serializeMemory } from "../../reconciler/core/memory-json.ts";
import type { Memory, SetMemory } from "../../reconciler/core/memory.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";
import { JournalError } from "../../reconciler/run/fold/draft.ts";
import { claimOf } from "./legal-events.ts";

const opened: EventBody = { type: "task.opened", set: "web", taskId: "t1", trigger: "create", commit: "c1", goal: "g1" };
const started: EventBody = {
  type: "action.started",
  id: "1.0",
  kind: "pullImage",
  host: "a-1",
  set: "web",
  index: 0,
  generation: 1,
  taskId: "t1",
};

function placed(generation: number, host = "a-1"): EventBody {
  return { type: "slot.placed", set: "web", index: 0, claim: claimOf(generation, host) };
}

function ended(outcome: "done" | "failed" | "refused" | "unknown", code: string, input: string): EventBody {
  return { type: "action.ended", id: "1.0", outcome, code, message: `${code}!`, input };
}

const ENTRY = { host: "a-1", trashId: "x", trashedAtMs: 5, kind: "lvm", who: "ann", why: "", sinceMs: 9 } as const;
const PLACE = { set: "web", index: 0, volume: "data" };
const RESTORE: EventBody = { type: "restore.asked", restore: { ...ENTRY, from: PLACE, to: PLACE, replace: false } };
const PURGE: EventBody = { type: "purge.asked", purge: ENTRY };

function restoreEnded(outcome: "done" | "vanished"): EventBody {
  return { type: "restore.ended", host: "a-1", trashId: "x", set: "web", index: 0, outcome };
}

/** Memory after the bodies, event n at n milliseconds. */
function after(...bodies: EventBody[]): Memory {
  return fold(
    emptyMemory(),
    bodies.map((body, position) => ({ atMs: position + 1, ...body })),
  );
}

function web(memory: Memory): SetMemory {
  return memory.sets.get("web")!;
}

describe("slots", () => {
  test("a new placement makes the claim before it former, until that one is cleared", () => {
    const memory = after(placed(1), placed(2, "a-2"));
    expect(web(memory).slots.get(0)).toEqual({ current: claimOf(2, "a-2"), former: [claimOf(1, "a-1")] });
    const cleared = fold(memory, [{ atMs: 3, type: "slot.cleared", set: "web", index: 0, generation: 1 }]);
    expect(web(cleared).slots.get(0)).toEqual({ current: claimOf(2, "a-2"), former: [] });
  });

  test("generations outlive the slot", () => {
    const memory = after(
      placed(7),
      { type: "slot.retired", set: "web", index: 0, generation: 7 },
      { type: "slot.cleared", set: "web", index: 0, generation: 7 },
    );
    expect(web(memory).slots.size).toBe(0);
    expect(web(memory).generations.get(0)).toBe(7);
    expect(() => fold(memory, [{ atMs: 9, ...placed(7) }])).toThrow("web/0 gets generation 7, but 7 was used already");
  });

  test("an adopted Instance is current when it is the newest ever, former otherwise", () => {
    const adopt = (generation: number, host: string): EventBody => ({
      type: "slot.adopted",
      set: "web",
      index: 0,
      claim: claimOf(generation, host),
    });
    expect(web(after(adopt(3, "a-1"))).slots.get(0)?.current?.generation).toBe(3);
    expect(web(after(adopt(3, "a-1"))).generations.get(0)).toBe(3);
    expect(web(after(placed(2), adopt(3, "a-2"))).slots.get(0)).toEqual({ current: claimOf(3, "a-2"), former: [claimOf(2, "a-1")] });
    expect(web(after(placed(4), adopt(3, "a-2"))).slots.get(0)).toEqual({ current: claimOf(4, "a-1"), former: [claimOf(3, "a-2")] });
    expect(web(after(placed(1), adopt(1, "a-2"))).slots.get(0)).toEqual({ current: claimOf(1, "a-1"), former: [claimOf(1, "a-2")] });
  });

  test("a resize changes the current claim only", () => {
    const claim = claimOf(2, "a-1", { hostPorts: [80] });
    const memory = after(placed(1, "a-2"), placed(2), { type: "slot.resized", set: "web", index: 0, claim });
    expect(web(memory).slots.get(0)).toEqual({ current: claim, former: [claimOf(1, "a-2")] });
  });
});

describe("failures", () => {
  const failed = (code: string, input: string, outcome: "failed" | "refused" | "unknown" = "failed"): EventBody[] => [
    started,
    ended(outcome, code, input),
  ];

  test("in a row with the same input add up, whatever the code", () => {
    const memory = after(...failed("x", "i1"), ...failed("y", "i1"), ...failed("stale-generation", "i1", "refused"));
    expect(web(memory).failures.get(0)).toEqual({
      code: "stale-generation",
      message: "stale-generation!",
      count: 3,
      tries: 3,
      lastAtMs: 6,
      input: "i1",
      hosts: ["a-1"],
      generation: 1,
    });
  });

  test("start anew with another input", () => {
    expect(web(after(...failed("x", "i1"), ...failed("x", "i2"))).failures.get(0)).toMatchObject({ count: 1, tries: 1, input: "i2" });
  });

  test.each(["engine-unreachable", "network-failed", "disk-full", "agent-state", "secret-missing"])(
    "%s is the host's trouble: another host is tried, and what its operator mends goes on by itself",
    (code) => {
      const six = Array.from({ length: 6 }, () => failed(code, "i1")).flat();
      expect(web(after(...six)).failures.get(0)).toMatchObject({ code, count: 0, tries: 6, hosts: ["a-1"] });
    },
  );

  test("a full disk is the host's trouble where the engine needs it, and the Set's where a volume has no room", () => {
    const grow = [{ ...started, kind: "growVolume" as const }, ended("failed", "disk-full", "i1")];
    expect(web(after(...grow, ...grow)).failures.get(0)).toMatchObject({ code: "disk-full", count: 2, tries: 2 });
  });

  test("a lost reply is a try but no failure, and hides no reason", () => {
    const memory = after(...failed("lost", "i1", "unknown"));
    expect(web(memory).failures.get(0)).toMatchObject({ code: "lost", count: 0, tries: 1 });
    const both = after(...failed("x", "i1"), ...failed("lost", "i1", "unknown"));
    expect(web(both).failures.get(0)).toMatchObject({ code: "x", message: "x!", count: 1, tries: 2, lastAtMs: 4 });
  });

  test("a crash counts on the host where it happened", () => {
    const crash: EventBody = { type: "slot.crashed", set: "web", index: 0, host: "a-0", code: "exit", message: "code 1", input: "i1" };
    expect(web(after(...failed("x", "i1"), crash)).failures.get(0)).toMatchObject({ code: "exit", count: 2, hosts: ["a-0", "a-1"] });
  });

  test("an engine that is away is a try but no failure; the crash that it kept from being mended counts once, however often it is tried", () => {
    const crash: EventBody = { type: "slot.crashed", set: "web", index: 0, host: "a-1", code: "crashed", message: "code 1", input: "i1" };
    const start: EventBody = { ...started, kind: "startInstance" } as EventBody;
    const away = [start, ended("failed", "engine-unreachable", "i1")];
    expect(web(after(...away)).failures.get(0)).toMatchObject({ code: "engine-unreachable", count: 0, tries: 1 });
    const memory = after(crash, ...away, crash, ...away, crash, ...away, crash, start, ended("done", "", "i1"));
    expect(web(memory).failures.get(0)).toMatchObject({ code: "crashed", count: 1, tries: 7 });
  });

  test.each(["runtime-missing", "secret-exposed", "secret-missing", "secret-store", "secret-unusable"])(
    "%s is what an operator mends on the host: it never makes the slot Stalled",
    (code) => {
      const tries = Array.from({ length: 20 }, () => failed(code, "i1", "refused")).flat();
      expect(web(after(...tries)).failures.get(0)).toMatchObject({ code, count: 0, tries: 20, hosts: ["a-1"] });
    },
  );

  test("are forgotten when the slot settled; an action that was done alone forgets nothing", () => {
    const settled: EventBody = { type: "slot.settled", set: "web", index: 0 };
    expect(web(after(...failed("x", "i1"), started, ended("done", "", "i1"))).failures.size).toBe(1);
    expect(web(after(...failed("x", "i1"), settled)).failures.size).toBe(0);
  });
});

describe("fleet", () => {
  const accepted = (commit: string, hosts: string[]): EventBody => ({ type: "revision.accepted", commit, hosts });

  test("the first revision's hosts are to be inventoried; later hosts are new and need not be", () => {
    expect(after().uninventoried).toBeNull();
    const memory = after(accepted("c1", ["a", "b", "c"]), accepted("c2", ["a", "b", "c", "d"]));
    expect([...memory.uninventoried!]).toEqual(["a", "b", "c"]);
    const seen = fold(memory, [
      { atMs: 3, type: "host.inventoried", hosts: ["a"] },
      { atMs: 4, type: "host.dead", host: "b", who: "ann", why: "" },
    ]);
    expect([...seen.uninventoried!]).toEqual(["c"]);
  });

  test("a rejected head is remembered until a revision is accepted; the same commit again keeps its date", () => {
    const rejected: EventBody = { type: "revision.rejected", commit: null, why: "remote down" };
    expect(after(accepted("c1", []), rejected)).toMatchObject({
      revision: { commit: "c1", atMs: 1 },
      rejected: { commit: null, atMs: 2, why: "remote down" },
    });
    expect(after(accepted("c1", []), rejected, accepted("c1", []))).toMatchObject({ revision: { commit: "c1", atMs: 1 }, rejected: null });
  });

  test("an operator's word on a host: state and death are apart, and silence forgets the host", () => {
    const dead: EventBody = { type: "host.dead", host: "a", who: "ann", why: "burnt" };
    const cordoned: EventBody = { type: "host.state", host: "a", state: "cordoned", who: "bob", why: "fan" };
    const returned: EventBody = { type: "host.returned", host: "a" };
    expect(after(dead, cordoned).hosts.get("a")).toEqual({ state: "cordoned", confirmedDeadAtMs: 1, who: "bob", why: "fan" });
    expect(after(dead, cordoned, returned).hosts.get("a")).toMatchObject({ state: "cordoned", confirmedDeadAtMs: null });
    expect(after(dead, returned).hosts.has("a")).toBe(false);
    expect(after(cordoned, { ...cordoned, state: null } as EventBody).hosts.has("a")).toBe(false);
  });

  test("holds, confirmations, plans and counts", () => {
    const hold = { scope: "pool", name: "main", who: "ann", why: "", sinceMs: 1, untilMs: 2 } as const;
    const memory = after(
      { type: "hold.placed", hold },
      { type: "destroys.confirmed", hash: "h", who: "ann" },
      { type: "plan.started", hash: "p", commit: "c", changes: 1, actions: 1 },
      { type: "set.counted", set: "web", count: 4, why: "night" },
    );
    expect(memory.holds.get("pool/main")).toEqual(hold);
    expect(memory.confirmed.get("h")).toBe(2);
    expect(memory.plans).toBe(1);
    expect(web(memory).count).toBe(4);
    expect(fold(memory, [{ atMs: 9, type: "hold.released", scope: "pool", name: "main", who: "ann" }]).holds.size).toBe(0);
  });
});

test("a task is open from task.opened to task.closed, and a started action runs until it ended", () => {
  const memory = after(opened, started);
  expect(web(memory)).toMatchObject({ taskCount: 1, task: { taskId: "t1", trigger: "create", commit: "c1", goal: "g1", openedAtMs: 1 } });
  expect(memory.running.get("1.0")).toMatchObject({ kind: "pullImage", host: "a-1", startedAtMs: 2 });
  const closed = fold(memory, [
    { atMs: 3, ...ended("done", "", "i") },
    { atMs: 4, type: "task.closed", set: "web", taskId: "t1", verdict: "Succeeded", why: "" },
  ]);
  expect(closed.running.size).toBe(0);
  expect(web(closed)).toMatchObject({ task: null, taskCount: 1 });
});

test.each<[rule: string, before: EventBody[], illegal: EventBody]>([
  ["web/0 gets generation 1, but 1 was used already", [placed(1)], placed(1)],
  ["web/0 gets generation 0, but 0 was used already", [], placed(0)],
  [
    "web/0 has a claim of generation 1 on a-1 already",
    [placed(1)],
    { type: "slot.adopted", set: "web", index: 0, claim: claimOf(1, "a-1") },
  ],
  [
    "web/0 has no current claim of generation 1 on a-2",
    [placed(1)],
    { type: "slot.resized", set: "web", index: 0, claim: claimOf(1, "a-2") },
  ],
  ["web/0 has no current claim of generation 2", [placed(1)], { type: "slot.retired", set: "web", index: 0, generation: 2 }],
  ["web/0 has no former claim of generation 1", [placed(1)], { type: "slot.cleared", set: "web", index: 0, generation: 1 }],
  ["web/0 has no former claim of generation 1", [], { type: "slot.cleared", set: "web", index: 0, generation: 1 }],
  ["web has an open task, t1", [opened], opened],
  ["the open task of web is t1, not t2", [opened], { type: "task.closed", set: "web", taskId: "t2", verdict: "Failed", why: "" }],
  ["the open task of web is none, not t2", [], { type: "task.closed", set: "web", taskId: "t2", verdict: "Failed", why: "" }],
  ["action 1.0 runs already", [started], started],
  ["action 1.0 was not started, or ended before", [], ended("done", "", "i")],
  ["action 1.0 was not started, or ended before", [started, ended("done", "", "i")], ended("failed", "x", "i")],
  ["a-1 was not confirmed dead", [], { type: "host.returned", host: "a-1" }],
  [
    "a-1 was not confirmed dead",
    [{ type: "host.state", host: "a-1", state: "cordoned", who: "", why: "" }],
    { type: "host.returned", host: "a-1" },
  ],
  ["there is no hold on set web", [], { type: "hold.released", scope: "set", name: "web", who: "ann" }],
  ["a restore of a-1/x is open already", [RESTORE], RESTORE],
  ["a restore of a-1/x is open", [RESTORE], PURGE],
  ["a-1/x is to be purged", [PURGE], RESTORE],
  ["a-1/x is to be purged already", [PURGE], PURGE],
  ["no restore of a-1/x was asked for", [], { type: "restore.cancelled", host: "a-1", trashId: "x", who: "ann", why: "" }],
  ["no restore of a-1/x is open", [], restoreEnded("done")],
  ["no restore of a-1/x is open", [RESTORE, restoreEnded("vanished")], restoreEnded("done")],
  ["no purge of a-1/x was asked for", [], { type: "purge.ended", host: "a-1", trashId: "x" }],
  ["no revision was accepted yet, so there are no hosts", [], { type: "host.inventoried", hosts: ["a-1"] }],
])("refuses, and changes nothing: %s", (rule, before, illegal) => {
  const memory = after(...before);
  const untouched = JSON.stringify(serializeMemory(memory));
  const message = `journal event ${before.length + 1} (${illegal.type}) is illegal: ${rule}`;
  expect(() => fold(memory, [{ atMs: 99, ...illegal }])).toThrow(new JournalError(message));
  expect(JSON.stringify(serializeMemory(memory))).toBe(untouched);
});

test("a restore is begun by the step of its slot and host, and only then", () => {
  const step = (kind: string, host: string, index: number): EventBody => ({ ...started, kind, host, index }) as EventBody;
  const begun = (...bodies: EventBody[]): boolean | undefined => after(RESTORE, ...bodies).restores.get("a-1/x")?.begun;
  expect([
    begun(),
    begun(step("createVolume", "a-1", 0)),
    begun(step("restoreVolume", "a-2", 0)),
    begun(step("restoreVolume", "a-1", 1)),
  ]).toEqual([false, false, false, false]);
  expect(begun(step("restoreVolume", "a-1", 0))).toBe(true);
});

test("a restore that vanished stays to be seen, and may be asked for again or cancelled", () => {
  const gone = after(RESTORE, restoreEnded("vanished"));
  expect(gone.restores.get("a-1/x")).toMatchObject({ lostAtMs: 2 });
  expect(after(RESTORE, restoreEnded("vanished"), RESTORE).restores.get("a-1/x")).toMatchObject({ lostAtMs: null });
  expect(after(RESTORE, restoreEnded("done")).restores.size).toBe(0);
});

test("a restore forgets what failed in its slot", () => {
  const memory = after(placed(1), started, ended("failed", "x", "i"), RESTORE);
  expect(web(memory).failures.size).toBe(0);
});
