import { describe, expect, test } from "vitest";
import type { PlanInput } from "../../reconciler/core/plan.ts";
import { JournalError } from "../../reconciler/run/fold/draft.ts";
import { chain, DONE, hold, loaded, newRig, planOf } from "./rig.ts";

describe("a converged fleet", () => {
  test("gets no journal write and no request, however many full passes run", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", { apply: () => DONE });
    rig.chains = [chain("a", 0)];
    await rig.begin();
    await rig.clock.advance(10_000);
    const { written, requests } = { written: rig.written().length, requests: host.requests.length };
    const passes = rig.reconciler.view().passes.count;
    await rig.clock.advance(3_600_000);
    expect(rig.reconciler.view().passes.count).toBeGreaterThan(passes + 100);
    expect(rig.written()).toHaveLength(written);
    expect(host.requests).toHaveLength(requests);
  });

  test("settled waits for the source, the hosts, the work and its effects", async () => {
    const rig = newRig();
    rig.hosts.add("a", { apply: () => ({ does: "done", tookMs: 700 }) });
    rig.chains = [chain("a", 0)];
    rig.source.reading = loaded("c1");
    rig.reconciler.start();
    let settledAtMs = -1;
    const settled = rig.reconciler.settled(new AbortController().signal).then(() => (settledAtMs = rig.clock.monotonic()));
    await rig.clock.advance(1_400);
    expect(settledAtMs).toBe(-1);
    await rig.clock.advance(1_000);
    await settled;
    expect(rig.hosts.world.get("a")!.effects.size).toBe(2);
    expect(settledAtMs).toBeLessThan(1_600);
  });

  test("settled rejects when aborted, and when the reconciler ends", async () => {
    const rig = newRig();
    rig.hosts.add("a", {});
    const control = new AbortController();
    const aborted = expect(rig.reconciler.settled(control.signal)).rejects.toThrow("enough");
    control.abort(new Error("enough"));
    await aborted;
    const ended = expect(rig.reconciler.settled(new AbortController().signal)).rejects.toThrow("killed");
    rig.reconciler.kill();
    await ended;
  });
});

describe("passes", () => {
  test("triggers that come together share one pass, and a change is planned for within the debounce", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", {});
    await rig.begin();
    const before = rig.passesAtMs.length;
    const at = rig.clock.monotonic();
    for (let change = 0; change < 15; change += 1) {
      host.version += 1;
      rig.hosts.push("a");
      await rig.clock.advance(1);
    }
    await rig.clock.advance(500);
    expect(rig.passesAtMs.slice(before)).toEqual([at + 20]);
  });

  test("a change on a host with steps under way, most likely theirs, may wait a little longer", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", { apply: () => ({ does: "done", tookMs: 5_000 }) });
    rig.chains = [chain("a", 0)];
    await rig.begin();
    const before = rig.passesAtMs.length;
    const at = rig.clock.monotonic();
    host.version += 1;
    rig.hosts.push("a");
    await rig.clock.advance(1_000);
    expect(rig.passesAtMs.slice(before)).toEqual([at + 500]);
  });

  test("a new revision goes before the pause after a long pass", async () => {
    const rig = newRig({ pauseFactor: 5, pauseMaxMs: 1_000, debounceMs: 400 });
    rig.hosts.add("a", {});
    rig.source.reading = loaded("c1");
    rig.reconciler.start();
    await rig.clock.advance(6);
    rig.source.reading = loaded("c2");
    rig.reconciler.nudge();
    await rig.clock.advance(6);
    expect(rig.inputs.map((input) => input.desired.revision.commit)).toEqual(["c1", "c2"]);
  });

  test("a plan that says when it may decide otherwise is asked again then", async () => {
    const rig = newRig();
    rig.hosts.add("a", {});
    await rig.begin();
    const wakeAtMs = rig.clock.now() + 7_000;
    rig.planWith = (input) => ({ ...planOf([]), wakeAtMs: input.nowMs < wakeAtMs ? wakeAtMs : null });
    const host = rig.hosts.world.get("a")!;
    host.version += 1;
    rig.hosts.push("a");
    await rig.clock.advance(6_500);
    const before = rig.inputs.length;
    await rig.clock.advance(1_000);
    expect(rig.inputs.slice(before).map((input) => input.nowMs)).toEqual([wakeAtMs]);
  });

  test("the first pass waits until every host was heard, but not for long", async () => {
    const rig = newRig({ listenMs: 1_000 });
    for (const host of ["a", "b"]) rig.hosts.add(host, {});
    rig.hosts.silent.add("b");
    rig.source.reading = loaded("c1");
    rig.reconciler.start();
    await rig.clock.advance(500);
    expect(rig.passesAtMs).toEqual([]);
    rig.hosts.push("b");
    await rig.clock.advance(500);
    expect(rig.passesAtMs[0]).toBe(520);

    const other = newRig({ listenMs: 1_000 });
    for (const host of ["a", "b"]) other.hosts.add(host, {});
    other.hosts.silent.add("b");
    other.source.reading = loaded("c1");
    other.reconciler.start();
    await other.clock.advance(2_000);
    expect(other.passesAtMs[0]).toBe(1_005);
  });

  test("a periodic full pass begins with a fresh planner; others keep theirs", async () => {
    const rig = newRig({ fullEveryMs: 30_000 });
    const host = rig.hosts.add("a", {});
    await rig.begin();
    const before = rig.planners;
    host.version += 1;
    rig.hosts.push("a");
    await rig.clock.advance(1_000);
    expect(rig.planners).toBe(before);
    await rig.clock.advance(30_000);
    expect(rig.planners).toBe(before + 1);
  });

  test("an observation that was overtaken by a newer one changes nothing", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", {});
    await rig.begin();
    host.version = 5;
    rig.hosts.push("a");
    await rig.clock.advance(100);
    const before = rig.passesAtMs.length;
    host.version = 4;
    rig.hosts.push("a");
    await rig.clock.advance(100);
    expect(rig.passesAtMs).toHaveLength(before);
    expect(rig.reconciler.view().fleet.get("a")!.observation!.version).toBe(5);
    Object.assign(host, { boot: "boot-2", version: 1 });
    rig.hosts.push("a");
    await rig.clock.advance(100);
    expect(rig.reconciler.view().fleet.get("a")!.observation!.boot).toBe("boot-2");
  });
});

describe("a plan that breaks a rule", () => {
  test("is not carried out at all and is told loudly; a later full pass tries again", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", { apply: () => DONE });
    rig.chains = [chain("a", 0)];
    rig.intents = [{ type: "set.counted", set: "web", count: 1, why: "" }];
    rig.violations = [{ code: "two-writers", text: "web/0 would run twice" }];
    await rig.begin();
    expect(host.requests).toHaveLength(0);
    expect(rig.written()).toEqual(["revision.accepted c1"]);
    expect(rig.reconciler.view().pass!.violations).toEqual(rig.violations);
    expect(rig.reconciler.view().settled).toBe(false);
    rig.violations = [];
    await rig.clock.advance(31_000);
    expect(host.effects.size).toBe(2);
  });

  test("a planner that throws carries nothing out, stops what waits, and is replaced", async () => {
    const rig = newRig({ perHost: 1 });
    const host = rig.hosts.add("a", { apply: () => ({ does: "done", tookMs: 500 }) });
    rig.chains = [chain("a", 0), chain("a", 1)];
    rig.source.reading = loaded("c1");
    rig.reconciler.start();
    await rig.clock.advance(100);
    const planners = rig.planners;
    rig.planWith = () => {
      throw new TypeError("no such slot");
    };
    rig.reconciler.record({ type: "hold.placed", hold: hold("web") });
    await rig.clock.advance(3_000);
    expect(host.effects.size).toBe(1);
    expect(rig.reconciler.view().pass!.violations[0]!.text).toContain("no such slot");
    expect(rig.planners).toBeGreaterThan(planners);
  });
});

describe("what operators say", () => {
  test("is journalled and planned for at once", async () => {
    const rig = newRig();
    rig.hosts.add("a", {});
    await rig.begin();
    rig.reconciler.record({ type: "hold.placed", hold: hold("web") });
    await rig.clock.advance(1);
    expect(rig.inputs.at(-1)!.memory.holds.has("set/web")).toBe(true);
  });

  test("that makes no sense is refused and changes nothing", async () => {
    const rig = newRig();
    rig.hosts.add("a", {});
    await rig.begin();
    const written = rig.written();
    expect(() => rig.reconciler.record({ type: "hold.released", scope: "set", name: "web", who: "ann" })).toThrow(JournalError);
    expect(rig.written()).toEqual(written);
    rig.reconciler.record({ type: "hold.placed", hold: hold("web") });
    expect(rig.written()).toHaveLength(written.length + 1);
  });

  test("a host confirmed dead that speaks again has returned, before the next plan", async () => {
    const rig = newRig();
    rig.hosts.add("a", {});
    await rig.begin();
    rig.hosts.lose("a", "no route to host");
    await rig.clock.advance(100);
    rig.reconciler.record({ type: "host.dead", host: "a", who: "ann", why: "it burnt" });
    await rig.clock.advance(60_000);
    expect(rig.inputs.at(-1)!.memory.hosts.get("a")!.confirmedDeadAtMs).not.toBeNull();
    expect(rig.written().at(-1)).toBe("host.dead a");
    rig.hosts.push("a");
    await rig.clock.advance(100);
    expect(rig.written().at(-1)).toBe("host.returned a");
    expect(rig.inputs.at(-1)!.memory.hosts.has("a")).toBe(false);
  });

  test("also when the reconciler was restarted in between", async () => {
    const rig = newRig();
    rig.hosts.add("a", {});
    await rig.begin();
    rig.hosts.lose("a", "no route to host");
    rig.reconciler.record({ type: "host.dead", host: "a", who: "ann", why: "it burnt" });
    rig.reconciler.kill();
    rig.reconciler = rig.create({});
    rig.hosts.forget();
    rig.reconciler.start();
    await rig.clock.advance(1_000);
    expect(rig.written().at(-1)).toBe("host.returned a");
  });
});

test("observed hosts of the inventory are journalled with the adoptions of the same pass, once", async () => {
  const rig = newRig();
  rig.hosts.add("a", {});
  rig.hosts.add("b", {});
  rig.intents = [{ type: "set.counted", set: "web", count: 1, why: "" }];
  await rig.begin();
  expect(rig.written()).toEqual(["revision.accepted c1", "set.counted", "host.inventoried", "plan.started"]);
  expect(rig.reconciler.view().memory.uninventoried).toEqual(new Set());
});

test("a wall clock that jumps moves neither deadlines nor the time since a host was heard", async () => {
  const rig = newRig();
  rig.hosts.add("a", { apply: () => ({ does: "done", tookMs: 2_000 }) });
  rig.chains = [chain("a", 0, { deadlineMs: 5_000 })];
  await rig.begin();
  rig.clock.jump(-86_400_000);
  await rig.clock.advance(10_000);
  expect(rig.written().filter((line) => line.startsWith("ended"))).toEqual(["ended 1.0 done", "ended 2.0 done"]);
  const silentMs = (input: PlanInput): number => input.monotonicMs - input.fleet.get("a")!.heardAtMs!;
  expect(silentMs(rig.inputs.at(-1)!)).toBeLessThan(10_000);
});

test("the same run twice writes the same journal", async () => {
  const journals: string[] = [];
  for (let run = 0; run < 2; run += 1) {
    const rig = newRig({ perHost: 2 });
    for (const host of ["a", "b", "c"])
      rig.hosts.add(host, { apply: ({ index }) => (index === 2 ? { does: "lose-reply" } : DONE), observe: "answers" });
    rig.chains = ["a", "b", "c"].flatMap((host) =>
      Array.from({ length: 4 }, (_, index) => ({ ...chain(host, index), set: `set-${host}` })),
    );
    await rig.begin();
    await rig.clock.advance(60_000);
    journals.push(JSON.stringify(rig.stored.load().events));
  }
  expect(journals[0]).toBe(journals[1]);
});
