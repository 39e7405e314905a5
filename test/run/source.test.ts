import { describe, expect, test } from "vitest";
import { NO_RESOURCES } from "../../reconciler/core/resources.ts";
import { chain, DONE, failed, invalid, loaded, newRig } from "./rig.ts";

describe("the source", () => {
  test("an invalid head freezes destroys, the last good revision runs on, the same trouble is journalled once", async () => {
    const rig = newRig({ pollMs: 1_000 });
    rig.hosts.add("a", {});
    await rig.begin();
    expect(rig.inputs.at(-1)!.destroysFrozen).toBeNull();
    rig.source.reading = invalid("c2badbadbad", "unknown field replica", "no such pool");
    rig.source.onChange();
    await rig.clock.advance(10_000);
    const input = rig.inputs.at(-1)!;
    expect(input.desired.revision.commit).toBe("c1");
    expect(input.destroysFrozen).toBe("commit c2badba is not valid: nothing is destroyed until it is mended");
    expect(rig.reconciler.view().source).toMatchObject({ state: "invalid", head: "c2badbadbad", lastGood: "c1" });
    expect(rig.reconciler.view().source.why).toBe("web.yaml:3:5: unknown field replica (and 1 more)");
    expect(rig.written().filter((line) => line.startsWith("revision."))).toEqual(["revision.accepted c1", "revision.rejected c2badbadbad"]);

    rig.source.reading = invalid("c2worseworse", "still no such pool");
    await rig.clock.advance(2_000);
    expect(rig.inputs.at(-1)!.destroysFrozen).toBe("commit c2worse is not valid: nothing is destroyed until it is mended");

    rig.source.reading = loaded("c3");
    await rig.clock.advance(2_000);
    expect(rig.inputs.at(-1)!).toMatchObject({ destroysFrozen: null, desired: { revision: { commit: "c3" } } });
  });

  test("a failed read freezes destroys until one succeeds; the way back to the same commit is journalled", async () => {
    const rig = newRig({ pollMs: 1_000, rereadMs: 1_000 });
    rig.hosts.add("a", {});
    await rig.begin();
    rig.source.reading = failed("remote is down");
    await rig.clock.advance(5_000);
    expect(rig.inputs.at(-1)!.destroysFrozen).toBe("the manifests can't be read (remote is down): nothing is destroyed until they can");
    rig.source.reading = loaded("c1");
    await rig.clock.advance(5_000);
    expect(rig.inputs.at(-1)!.destroysFrozen).toBeNull();
    expect(rig.written().slice(-2)).toEqual(["revision.rejected null", "revision.accepted c1"]);
  });

  test("a read that hangs is given up at its deadline", async () => {
    const rig = newRig({ readDeadlineMs: 3_000, pollMs: 1_000, rereadMs: 1_000 });
    rig.hosts.add("a", {});
    await rig.begin();
    rig.source.reading = "hangs";
    await rig.clock.advance(5_000);
    expect(rig.reconciler.view().source).toMatchObject({ state: "failed", why: "no answer within 3000 ms" });
  });

  test("a change during a read is read after it: the newest commit wins, one read at a time", async () => {
    const rig = newRig();
    rig.hosts.add("a", {});
    await rig.begin();
    const reads = rig.source.reads;
    rig.source.reading = loaded("c2");
    rig.source.onChange();
    await rig.clock.advance(2);
    rig.source.onChange();
    rig.source.onChange();
    await rig.clock.advance(20);
    expect(rig.source.reads).toBe(reads + 2);
    expect(rig.inputs.at(-1)!.desired.revision.commit).toBe("c2");
  });

  test("after a restart with an invalid head the last good commit is read back", async () => {
    const rig = newRig();
    rig.hosts.add("a", { apply: () => DONE });
    await rig.begin("c1");
    rig.reconciler.kill();
    rig.source.reading = invalid("c2", "unknown field replica");
    rig.source.old.set("c1", loaded("c1"));
    rig.chains = [chain("a", 0)];
    rig.reconciler = rig.create({});
    rig.hosts.forget();
    rig.reconciler.start();
    await rig.clock.advance(2_000);
    expect(rig.inputs.at(-1)!).toMatchObject({ desired: { revision: { commit: "c1" } } });
    expect(rig.inputs.at(-1)!.destroysFrozen).toContain("not valid");
    expect(rig.hosts.world.get("a")!.effects.size).toBe(2);
  });

  test("a commit on which the builder fails is rejected, and the last good one runs on", async () => {
    const rig = newRig();
    rig.hosts.add("a", {});
    await rig.begin();
    rig.buildWith = () => {
      throw new RangeError("stack exhausted");
    };
    rig.source.reading = loaded("c2");
    rig.source.onChange();
    await rig.clock.advance(1_000);
    expect(rig.reconciler.view().source).toMatchObject({
      state: "invalid",
      head: "c2",
      why: "setpoint failed to read it: stack exhausted",
    });
    expect(rig.inputs.at(-1)!).toMatchObject({ desired: { revision: { commit: "c1" } } });
    expect(rig.inputs.at(-1)!.destroysFrozen).not.toBeNull();
  });

  test("a host that leaves the manifests is followed as long as it holds an Instance", async () => {
    const rig = newRig();
    for (const host of ["a", "b", "c"]) rig.hosts.add(host, {});
    const claim = {
      generation: 1,
      host: "b",
      ip: null,
      resources: NO_RESOURCES,
      hostPorts: [],
      exclusive: false,
      core: false,
      taskId: "t",
      why: "",
    };
    rig.intents = [{ type: "slot.placed", set: "web", index: 0, claim }];
    await rig.begin();
    rig.leftOut = ["b", "c"];
    rig.source.reading = loaded("c2");
    rig.source.onChange();
    await rig.clock.advance(1_000);
    expect([...rig.reconciler.view().fleet.keys()]).toEqual(["a", "b"]);
    expect(rig.reconciler.view().desired!.hosts.map((host) => host.name)).toEqual(["a"]);
  });
});
