import { beforeEach, describe, expect, it } from "vitest";
import { Picture } from "../../../reconciler/agent/observe/picture.ts";
import type { EngineInventory, InstanceRef, OwnedContainer } from "../../../reconciler/agent/ports.ts";
import { createSystemClock } from "../../../reconciler/sys/clock.ts";
import { FakeEngine } from "./fake-host.ts";
import { createVirtualClock } from "../../../reconciler/sim/virtual-clock.ts";

const WEB: InstanceRef = { set: "web", index: 0, generation: 1 };
const OTHER: InstanceRef = { set: "web", index: 1, generation: 1 };

/** An engine that answers when told, with what it is told. */
class SlowEngine extends FakeEngine {
  readonly all: ((containers: readonly OwnedContainer[]) => void)[] = [];
  readonly one: ((containers: readonly OwnedContainer[]) => void)[] = [];
  fails: Error | null = null;

  override facts(): ReturnType<FakeEngine["facts"]> {
    return Promise.resolve({} as Awaited<ReturnType<FakeEngine["facts"]>>);
  }

  override inventory(): Promise<EngineInventory> {
    return new Promise((resolve) => this.all.push((containers) => resolve({ containers, foreign: ["theirs"], images: [] })));
  }

  override containersOf(): Promise<readonly OwnedContainer[]> {
    if (this.fails !== null) return Promise.reject(this.fails);
    return new Promise((resolve) => this.one.push(resolve));
  }
}

function running(ref: InstanceRef): OwnedContainer {
  return { ...ref, id: `c${ref.index}`, role: "infra", container: "infra", state: "running" } as unknown as OwnedContainer;
}

async function until(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { timeout: 5_000, interval: 1 }).toBe(true);
}

describe("what is known of the containers", () => {
  let engine: SlowEngine;
  let picture: Picture;
  let told: number;
  beforeEach(() => {
    engine = new SlowEngine(createVirtualClock(0));
    told = 0;
    picture = new Picture(engine, createSystemClock(), new AbortController().signal, () => void told++);
  });

  it("keeps what a look at one Instance saw when a listing that began before it ends after it", async () => {
    const all = picture.look();
    await until(() => engine.all.length === 1);
    const one = picture.lookAt(WEB);
    await until(() => engine.one.length === 1);
    engine.one[0]!([running(WEB)]);
    await one;
    engine.all[0]!([running(OTHER)]);
    await all;
    expect(picture.containersOf(WEB)).toHaveLength(1);
    expect(picture.containersOf(OTHER)).toHaveLength(1);
    expect(picture.inventory).toMatchObject({ containers: [{ index: 1 }, { index: 0 }], foreign: ["theirs"] });
    expect(told).toBe(2);
  });

  it("believes a listing that began after the look at one Instance, whichever ends first", async () => {
    const one = picture.lookAt(WEB);
    await until(() => engine.one.length === 1);
    const all = picture.look();
    await until(() => engine.all.length === 1);
    engine.all[0]!([]);
    await all;
    engine.one[0]!([running(WEB)]);
    await one;
    expect(picture.containersOf(WEB)).toEqual([]);
    const again = picture.look();
    await until(() => engine.all.length === 2);
    engine.all[1]!([running(WEB)]);
    await again;
    expect(picture.containersOf(WEB)).toHaveLength(1);
  });

  it("forgets an Instance whose containers are gone", async () => {
    for (const containers of [[running(WEB)], []]) {
      const one = picture.lookAt(WEB);
      await until(() => engine.one.length > 0);
      engine.one.pop()!(containers);
      await one;
      expect(picture.containersOf(WEB)).toEqual(containers);
    }
    expect(picture.instances.size).toBe(0);
  });

  it("takes an Instance for changed until a look began, and again when that look failed", async () => {
    expect(picture.expire(WEB)).toBe(true);
    expect(picture.expire({ ...WEB })).toBe(false);
    const one = picture.lookAt(WEB);
    await until(() => engine.one.length === 1);
    expect(picture.stale).toEqual([]);
    // It happened while the engine was asked: nobody knows whether the answer has it.
    expect(picture.expire(WEB)).toBe(true);
    engine.one[0]!([]);
    await one;
    expect(picture.stale).toEqual([WEB]);
    engine.fails = new Error("connect ECONNREFUSED");
    await expect(picture.lookAt(WEB)).rejects.toThrow("ECONNREFUSED");
    expect(picture.stale).toEqual([WEB]);
  });
});
