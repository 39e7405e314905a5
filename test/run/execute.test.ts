import { describe, expect, test } from "vitest";
import { type Chain, DONE, loaded, newRig } from "./rig.ts";

function pulls(host: string, set: string, count: number, change: Partial<Chain> = {}): Chain[] {
  return Array.from({ length: count }, (_, index) => ({ host, set, index, kinds: ["pullImage"], ...change }));
}

describe("order", () => {
  test("a step starts when what it needs is done, across hosts too", async () => {
    const rig = newRig();
    for (const host of ["a", "b"]) rig.hosts.add(host, { apply: () => ({ does: "done", tookMs: 300 }), observe: "answers" });
    rig.chains = [
      { host: "a", set: "web", index: 0, kinds: ["pullImage", "awaitHealthy"] },
      { host: "b", set: "web", index: 1, kinds: ["stopInstance"], after: ["web/0"] },
    ];
    await rig.begin();
    await rig.clock.advance(1_000);
    expect(rig.hosts.log).toEqual(["a pullImage web/0#1", "a awaitHealthy web/0#1", "b stopInstance web/1#1"]);
  });

  test("what may start at once goes to a host in one request, journalled in one write", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", { apply: () => DONE });
    const writes: number[] = [];
    const append = rig.stored.append.bind(rig.stored);
    rig.stored.append = (events) => {
      writes.push(events.filter((event) => event.type === "action.started").length);
      append(events);
    };
    rig.chains = pulls("a", "web", 5);
    await rig.begin();
    expect(host.requests.map((request) => request.actions.length)).toEqual([5]);
    expect(writes.filter((count) => count > 0)).toEqual([5]);
  });
});

describe("limits", () => {
  test("per host and in total, and every action gets its turn", async () => {
    const rig = newRig({ perHost: 3, total: 4 });
    for (const host of ["a", "b"]) rig.hosts.add(host, { apply: () => ({ does: "done", tookMs: 100 }) });
    rig.chains = [...pulls("a", "web", 10), ...pulls("b", "db", 10)];
    let most = 0;
    rig.reconciler.onEvent(() => {
      most = Math.max(most, rig.reconciler.view().inFlight.length);
    });
    await rig.begin();
    await rig.clock.advance(5_000);
    expect(rig.hosts.world.get("a")!.busiest).toBe(3);
    expect(most).toBe(4);
    expect(rig.hosts.log).toHaveLength(20);
    expect(rig.reconciler.view().settled).toBe(true);
  });

  test("the next in the queue starts as soon as there is room, without another pass", async () => {
    const rig = newRig({ perHost: 1, debounceMs: 100_000 });
    const host = rig.hosts.add("a", { apply: () => ({ does: "done", tookMs: 100 }) });
    rig.chains = pulls("a", "web", 5);
    await rig.begin();
    expect(host.effects.size).toBe(5);
    expect(rig.inputs).toHaveLength(1);
  });

  test("a hung host delays nobody", async () => {
    const rig = newRig({ perHost: 2, total: 4 });
    rig.hosts.add("hung", { apply: () => ({ does: "hang" }), observe: "hangs" });
    rig.hosts.add("well", { apply: () => DONE });
    rig.chains = [...pulls("hung", "aaa", 50), ...pulls("well", "web", 30)];
    await rig.begin();
    await rig.clock.advance(4_000);
    expect(rig.hosts.world.get("well")!.effects.size).toBe(30);
    expect(rig.hosts.world.get("hung")!.busiest).toBe(2);
  });
});

describe("an unknown outcome", () => {
  test("deadline: in doubt, then observed, then the slot is free and planned again", async () => {
    const rig = newRig();
    let tries = 0;
    const host = rig.hosts.add("a", { apply: () => (++tries === 1 ? { does: "hang" } : DONE), observe: "hangs" });
    rig.chains = pulls("a", "web", 1, { deadlineMs: 2_000 });
    await rig.begin();
    await rig.clock.advance(3_000);
    expect(rig.written().at(-1)).toBe("ended 1.0 unknown deadline");
    expect(rig.inputs.at(-1)!.busy).toEqual(new Set(["web/0"]));
    expect(host.requests).toHaveLength(1);

    host.observe = "answers";
    await rig.clock.advance(15_000);
    expect(tries).toBe(2);
    expect(host.effects).toEqual(new Set(["pullImage web/0#1"]));
    expect(rig.reconciler.view().settled).toBe(true);
  });

  test("a reply lost after success: the observation shows the effect and nothing is done twice", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", { apply: () => ({ does: "lose-reply" }), observe: "answers" });
    rig.chains = pulls("a", "web", 1);
    await rig.begin();
    expect(rig.written()).toContain("ended 1.0 unknown reply-lost");
    expect(host.requests).toHaveLength(1);
    expect(rig.hosts.log).toEqual(["a pullImage web/0#1"]);
    expect(rig.reconciler.view().settled).toBe(true);
  });

  test("one step past its deadline leaves the others of its request alone", async () => {
    const rig = newRig();
    rig.hosts.add("a", { apply: ({ index }) => (index === 0 ? { does: "hang" } : { does: "done", tookMs: 3_000 }), observe: "hangs" });
    rig.chains = [...pulls("a", "web", 1, { deadlineMs: 1_000 }), ...pulls("a", "db", 2).slice(1)];
    await rig.begin();
    await rig.clock.advance(4_000);
    expect(rig.written().filter((line) => line.startsWith("ended"))).toEqual(["ended 1.0 unknown deadline", "ended 1.1 done"]);
  });

  test("other slots of a host in doubt wait until it was observed", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", { apply: ({ index }) => (index === 0 ? { does: "lose-reply" } : DONE), observe: "hangs" });
    rig.chains = pulls("a", "web", 1);
    await rig.begin();
    rig.chains = pulls("a", "web", 2);
    rig.source.reading = loaded("c2");
    rig.source.onChange();
    await rig.clock.advance(2_000);
    expect(rig.reconciler.view()).toMatchObject({ waiting: 1, inFlight: [] });
    expect(host.requests).toHaveLength(1);
    host.observe = "answers";
    await rig.clock.advance(15_000);
    expect(host.effects.size).toBe(2);
    expect(host.requests).toHaveLength(2);
  });

  test("a doubt that comes up during an observation needs another one; then the host has steps again, without another pass", async () => {
    const rig = newRig({ perHost: 2, debounceMs: 100_000, busyHostMs: 100_000 });
    const host = rig.hosts.add("a", { apply: ({ index }) => (index < 2 ? { does: "hang" } : DONE), observe: "answers" });
    rig.chains = [...pulls("a", "web", 1, { deadlineMs: 1_000 }), ...pulls("a", "web", 3, { deadlineMs: 1_004 }).slice(1)];
    await rig.begin();
    await rig.clock.advance(1_000);
    // Sent at 5; the doubts came up at 1007 and 1011, the first observation took until 1012, the second until 1017.
    expect(host.requestedAtMs).toEqual([5, 1_019]);
    expect(rig.inputs).toHaveLength(1);
  });

  test("no request goes to a host in doubt; when it stays silent it counts as lost and its slots are free", async () => {
    const rig = newRig({ observeMs: 1_000, retryMs: 100 });
    const host = rig.hosts.add("a", { apply: () => ({ does: "lose-reply" }), observe: "fails" });
    rig.chains = pulls("a", "web", 1);
    await rig.begin();
    await rig.clock.advance(5_000);
    rig.chains = pulls("a", "web", 3);
    await rig.clock.advance(60_000);
    expect(host.requests).toHaveLength(1);
    const input = rig.inputs.at(-1)!;
    expect(input.busy.size).toBe(0);
    expect(input.fleet.get("a")!.problem).toMatch(/does not answer an observation: no route to host/);
    host.apply = () => DONE;
    host.observe = "answers";
    await rig.clock.advance(15_000);
    expect(host.effects.size).toBe(3);
  });

  test("what needs a step in doubt does not start", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", { apply: () => ({ does: "hang" }), observe: "hangs" });
    rig.chains = [{ host: "a", set: "web", index: 0, kinds: ["pullImage", "awaitHealthy"], deadlineMs: 500 }];
    await rig.begin();
    await rig.clock.advance(3_000);
    expect(host.requests.flatMap((request) => request.actions.map((action) => action.kind))).toEqual(["pullImage"]);
    expect(rig.reconciler.view().waiting).toBe(0);
  });
});

describe("after a result", () => {
  test("the slot stays busy until the effect is observed", async () => {
    const rig = newRig({ fullEveryMs: 500 });
    const host = rig.hosts.add("a", { apply: () => ({ does: "done-unseen" }), observe: "hangs" });
    rig.chains = pulls("a", "web", 1);
    await rig.begin();
    await rig.clock.advance(2_000);
    expect(rig.written().at(-1)).toBe("ended 1.0 done");
    expect(rig.inputs.at(-1)!.busy).toEqual(new Set(["web/0"]));
    expect(host.requests).toHaveLength(1);
    rig.hosts.push("a");
    await rig.clock.advance(1_000);
    expect(rig.inputs.at(-1)!.busy.size).toBe(0);
    expect(host.requests).toHaveLength(1);
  });

  test("when the stream does not show it in time, the host is asked", async () => {
    const rig = newRig({ showWithinMs: 5_000 });
    rig.hosts.add("a", { apply: () => ({ does: "done-unseen" }), observe: "answers" });
    rig.chains = pulls("a", "web", 1);
    await rig.begin();
    await rig.clock.advance(3_000);
    expect(rig.reconciler.view().settled).toBe(false);
    await rig.clock.advance(2_000);
    expect(rig.reconciler.view().settled).toBe(true);
  });

  test("a refused step drops what needs it, and only that", async () => {
    const rig = newRig({ fullEveryMs: 1e9 });
    const host = rig.hosts.add("a", {
      apply: ({ index }) => (index === 0 ? { does: "refused", code: "stale-generation" } : DONE),
      observe: "answers",
    });
    let planned = 0;
    const chain = (index: number): Chain => ({ host: "a", set: "web", index, kinds: ["pullImage", "stopInstance", "removeInstance"] });
    rig.chains = [chain(0), chain(1)];
    rig.reconciler.onEvent((event) => {
      if (event.type !== "passed" || event.result.plan!.actions.length === 0) return;
      planned += 1;
      if (planned === 1) rig.chains = [chain(1)];
    });
    await rig.begin();
    await rig.clock.advance(5_000);
    const sent = host.requests.flatMap((request) => request.actions).filter((action) => action.index === 0);
    expect(sent.map((action) => action.kind)).toEqual(["pullImage"]);
    expect(host.effects.size).toBe(3);
    expect(rig.written()).toContain("ended 1.0 refused stale-generation");
  });
});

describe("a superseding plan", () => {
  test("drops what did not start; what started runs on and its slot stays busy", async () => {
    const rig = newRig({ perHost: 1 });
    const host = rig.hosts.add("a", { apply: () => ({ does: "done", tookMs: 2_000 }) });
    rig.chains = pulls("a", "old", 5);
    await rig.begin();
    rig.chains = pulls("a", "new", 1);
    rig.source.reading = loaded("c2");
    rig.source.onChange();
    await rig.clock.advance(500);
    expect(rig.inputs.at(-1)!.busy).toEqual(new Set(["old/0"]));
    await rig.clock.advance(10_000);
    expect(host.effects).toEqual(new Set(["pullImage old/0#1", "pullImage new/0#1"]));
  });

  test("the same waiting work needs no second entry in the journal", async () => {
    const rig = newRig({ perHost: 1, fullEveryMs: 200 });
    rig.hosts.add("a", { apply: () => ({ does: "hang" }), observe: "hangs" });
    rig.chains = pulls("a", "web", 3);
    await rig.begin();
    await rig.clock.advance(5_000);
    expect(rig.reconciler.view().passes.count).toBeGreaterThan(10);
    // One for the three, one for the two that wait behind the hung one.
    expect(rig.written().filter((line) => line === "plan.started")).toHaveLength(2);
  });
});

test("nothing starts on a host that is lost, even before the next pass", async () => {
  const rig = newRig({ debounceMs: 1_000 });
  const host = rig.hosts.add("a", { apply: () => DONE, observe: "answers" });
  rig.hosts.add("b", { apply: () => ({ does: "done", tookMs: 300 }) });
  rig.chains = [...pulls("b", "db", 1), ...pulls("a", "web", 1, { after: ["db/0"] })];
  rig.source.reading = loaded("c1");
  rig.reconciler.start();
  await rig.clock.advance(100);
  expect(rig.reconciler.view()).toMatchObject({ inFlight: [{ action: { host: "b" } }], waiting: 1 });
  rig.hosts.lose("a", "connection refused");
  await rig.clock.advance(350);
  expect(rig.hosts.log).toEqual(["b pullImage db/0#1"]);
  await rig.clock.advance(5_000);
  expect(host.requests).toHaveLength(0);
  rig.hosts.push("a");
  await rig.clock.advance(3_000);
  expect(host.effects.size).toBe(1);
});

test("a host that is heard again after a problem is observed before it is worked on", async () => {
  const rig = newRig();
  const host = rig.hosts.add("a", { apply: () => DONE, observe: "answers" });
  await rig.begin();
  rig.hosts.lose("a", "no heartbeat");
  rig.chains = pulls("a", "web", 1);
  await rig.clock.advance(40_000);
  expect(host.requests).toHaveLength(0);
  rig.hosts.heartbeat("a");
  await rig.clock.advance(100);
  expect(rig.reconciler.view().fleet.get("a")!.problem).toBe("");
  expect(host.effects.size).toBe(1);
});
