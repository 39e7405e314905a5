import { describe, expect, test } from "vitest";
import { chain, DONE, hold, loaded, newRig } from "./rig.ts";

describe("crash and stop", () => {
  test("a new reconciler over the same journal takes over what was under way", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", { apply: () => ({ does: "done", tookMs: 2_000 }), observe: "answers" });
    rig.chains = [chain("a", 0)];
    await rig.begin();
    rig.reconciler.kill();
    expect(rig.written().at(-1)).toBe("started 1.0 pullImage web/0");

    rig.reconciler = rig.create({});
    rig.hosts.forget();
    rig.reconciler.start();
    await rig.clock.advance(6);
    expect(rig.inputs.at(-1)!.busy).toEqual(new Set(["web/0"]));
    await rig.clock.advance(20_000);
    expect(rig.written()).toContain("ended 1.0 unknown restarted");
    expect(host.effects).toEqual(new Set(["awaitHealthy web/0#1", "pullImage web/0#1"]));
    expect(rig.reconciler.view()).toMatchObject({ settled: true, memory: { running: new Map() } });
  });

  test("killed before any journal write, the next one finishes the work", async () => {
    for (let dieAt = 1; dieAt <= 8; dieAt += 1) {
      const rig = newRig();
      const host = rig.hosts.add("a", { apply: () => DONE, observe: "answers" });
      rig.hosts.add("b", { apply: () => DONE, observe: "answers" });
      rig.chains = [chain("a", 0), chain("b", 1)];
      rig.source.reading = loaded("c1");
      let writes = 0;
      const dying = {
        ...rig.stored,
        append: (events: Parameters<typeof rig.stored.append>[0]) => {
          writes += 1;
          if (writes === dieAt) throw new Error("killed here");
          rig.stored.append(events);
        },
      };
      const first = rig.create({}, dying);
      first.start();
      await rig.clock.advance(5_000);
      first.kill();
      rig.reconciler = rig.create({});
      rig.hosts.forget();
      rig.reconciler.start();
      await rig.clock.advance(20_000);
      expect(rig.reconciler.view().settled, `died at write ${dieAt}`).toBe(true);
      expect(host.effects.size).toBe(2);
    }
  });

  test("a journal that can't be written ends the reconciler: nothing is sent that was not written", async () => {
    const rig = newRig();
    const host = rig.hosts.add("a", { apply: () => DONE });
    rig.chains = [chain("a", 0)];
    const append = rig.stored.append.bind(rig.stored);
    rig.stored.append = (events) => {
      if (events.some((event) => event.type === "action.started")) throw new Error("disk full");
      append(events);
    };
    await rig.begin();
    expect((await rig.reconciler.crashed).message).toBe("disk full");
    await rig.clock.advance(60_000);
    expect(host.requests).toHaveLength(0);
    expect(() => rig.reconciler.record({ type: "hold.placed", hold: hold("web") })).toThrow("disk full");
  });

  test("stop starts nothing more, waits for what was started, and stores a snapshot", async () => {
    const rig = newRig({ perHost: 1 });
    const host = rig.hosts.add("a", { apply: () => ({ does: "done", tookMs: 3_000 }) });
    rig.chains = [chain("a", 0), chain("a", 1)];
    await rig.begin();
    let stopped = false;
    const stop = rig.reconciler.stop().then(() => (stopped = true));
    await rig.clock.advance(1_000);
    expect(stopped).toBe(false);
    await rig.clock.advance(2_000);
    await stop;
    expect(host.effects).toEqual(new Set(["pullImage web/0#1"]));
    expect(rig.stored.load()).toMatchObject({ events: [], memory: { running: new Map() } });
    await rig.clock.advance(60_000);
    expect(host.requests).toHaveLength(1);
  });

  test("stop waits no longer than its deadline", async () => {
    const rig = newRig({ drainMs: 2_000 });
    rig.hosts.add("a", { apply: () => ({ does: "hang" }) });
    rig.chains = [chain("a", 0)];
    await rig.begin();
    const stop = rig.reconciler.stop();
    await rig.clock.advance(2_000);
    await stop;
    expect(rig.stored.load().memory!.running.size).toBe(1);
  });

  test("a snapshot is stored every so many events", async () => {
    const rig = newRig({ snapshotEvery: 10 });
    rig.hosts.add("a", { apply: () => DONE });
    rig.chains = Array.from({ length: 20 }, (_, index) => chain("a", index));
    await rig.begin();
    await rig.clock.advance(31_000);
    const { memory, events } = rig.stored.load();
    expect(memory!.sequence).toBeGreaterThan(50);
    expect(events.length).toBeLessThan(10);
  });
});
