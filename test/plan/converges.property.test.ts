import fc from "fast-check";
import { expect, test } from "vitest";
import type { Manifest, Set as SetManifest } from "../../reconciler/core/manifest-types.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { targetCount } from "../../reconciler/plan/desired/count.ts";
import { container, manifestsOf, pool, set } from "../desired/documents.ts";
import { PureWorld } from "./pure-world.ts";

type Volume = Omit<NonNullable<SetManifest["spec"]["template"]["volumes"]>[number], "name">;

/** One Set as a few small choices, so that a failing example stays readable. */
interface SetChoice {
  readonly replicas: number;
  readonly image: number;
  readonly memoryMi: number;
  readonly volume: Volume | null;
  readonly reuse: boolean;
  readonly survive: boolean;
  readonly zone: string | null;
  readonly containers: number;
}

type Move =
  | { readonly kind: "commit"; readonly sets: readonly (SetChoice | null)[] }
  | { readonly kind: "silence"; readonly host: number; readonly on: boolean }
  | { readonly kind: "tamper"; readonly set: number; readonly slot: number; readonly how: "kill" | "sick" | "gone" | "limits" }
  | { readonly kind: "drain"; readonly host: number; readonly on: boolean }
  | { readonly kind: "dead"; readonly host: number }
  | { readonly kind: "wait"; readonly seconds: number }
  | { readonly kind: "pass"; readonly stopAfter: number }
  | { readonly kind: "freeze"; readonly on: boolean }
  | { readonly kind: "forget" };

const setChoice: fc.Arbitrary<SetChoice> = fc.record({
  replicas: fc.integer({ min: 0, max: 5 }),
  image: fc.integer({ min: 1, max: 3 }),
  memoryMi: fc.constantFrom(256, 512, 1024),
  volume: fc.constantFrom<Volume | null>(
    null,
    null,
    { lvm: { size: "1Gi" } },
    { lvm: { size: "3G" } },
    { dir: { softLimit: "1Gi" } },
    { dir: { softLimit: "2Gi" } },
  ),
  reuse: fc.boolean(),
  survive: fc.boolean(),
  zone: fc.constantFrom(null, "a", "b"),
  containers: fc.integer({ min: 1, max: 2 }),
});

const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("commit" as const), sets: fc.array(fc.option(setChoice), { minLength: 3, maxLength: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("silence" as const), host: fc.nat(5), on: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("tamper" as const),
      set: fc.nat(2),
      slot: fc.nat(4),
      how: fc.constantFrom("kill", "sick", "gone", "limits"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drain" as const), host: fc.nat(5), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("dead" as const), host: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), seconds: fc.constantFrom(1, 15, 70, 200) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("pass" as const), stopAfter: fc.constantFrom(0, 1, 2, 3, 5, 1000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("freeze" as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const) }) },
);

const CAPACITY = { cpu: 8, memory: "16Gi", disk: "100Gi" };

function manifestsFor(choices: readonly (SetChoice | null)[]): Manifest[] {
  const hosts = ["a", "b", "c"].map((zone) => ({ name: `${zone}-[1-2]`, zone, capacity: CAPACITY }));
  const main = pool("main", { hosts, budget: { percent: 100, count: 1000 } });
  return [main, ...choices.flatMap((choice, index) => (choice === null ? [] : [setOf(`s${index}`, choice)]))];
}

function setOf(name: string, choice: SetChoice): SetManifest {
  const resources = { cpu: { request: "100m" }, memory: { request: `${choice.memoryMi}Mi` } };
  const mounts = choice.volume !== null ? { mounts: [{ volume: "data", path: "/data" }] } : {};
  const containers = Array.from({ length: choice.containers }, (_, n) =>
    container(`c${n}`, { image: `shop/c${n}:${choice.image}`, resources, ...(n === 0 ? mounts : {}) }),
  );
  return set(name, {
    replicas: choice.replicas,
    template: {
      containers: [containers[0]!, ...containers.slice(1)],
      ...(choice.volume !== null ? { volumes: [{ name: "data", ...choice.volume }] } : {}),
      network: { ip: choice.reuse ? "reuse" : "any" },
    },
    placement: {
      zones: {
        ...(choice.survive && choice.zone === null ? { survive: 1 } : {}),
        ...(choice.zone === null ? {} : { only: [choice.zone] }),
      },
    },
  });
}

function play(world: PureWorld, moves: readonly Move[], commit: (choices: readonly (SetChoice | null)[]) => void): void {
  const hosts = [...world.hosts.keys()];
  for (const step of moves) {
    switch (step.kind) {
      case "commit":
        commit(step.sets);
        break;
      case "silence":
        world.host(hosts[step.host]!).silent = step.on;
        break;
      case "tamper":
        tamper(world, step);
        break;
      case "drain":
        world.record({ type: "host.state", host: hosts[step.host]!, state: step.on ? "draining" : null, who: "ada", why: "test" });
        break;
      case "dead":
        killForGood(world, hosts[step.host]!);
        break;
      case "wait":
        world.nowMs += step.seconds * 1000;
        break;
      case "pass":
        world.pass(step.stopAfter);
        break;
      case "freeze":
        world.destroysFrozen = step.on ? "the newest commit is not valid" : null;
        break;
      case "forget":
        world.restart();
        break;
    }
  }
}

function tamper(world: PureWorld, step: Extract<Move, { kind: "tamper" }>): void {
  const changes = {
    kill: { phase: "failed" as const, healthy: false },
    sick: { healthy: false },
    gone: null,
    limits: { liveHash: "other" },
  };
  world.tamper(`s${step.set}`, step.slot, changes[step.how]);
}

/** Only a host that is silent and really stopped may be confirmed dead. */
function killForGood(world: PureWorld, name: string): void {
  const host = world.host(name);
  if (!host.silent || world.memory.hosts.get(name)?.confirmedDeadAtMs != null) return;
  for (const instance of host.instances)
    host.instances = host.instances.map((other) => (other === instance ? { ...other, phase: "stopped", healthy: false } : other));
  world.record({ type: "host.dead", host: name, who: "ada", why: "test" });
}

/** Every fault is over: hosts speak again, nobody drains, the newest commit is good. */
function endFaults(world: PureWorld): void {
  for (const [name, host] of world.hosts) {
    host.silent = false;
    host.observation = null;
    if (world.memory.hosts.get(name)?.confirmedDeadAtMs != null) world.record({ type: "host.returned", host: name });
    world.record({ type: "host.state", host: name, state: null, who: "ada", why: "test" });
  }
  world.destroysFrozen = null;
  world.nowMs += 300_000;
}

const start = fc.array(fc.option(setChoice, { freq: 5 }), { minLength: 3, maxLength: 3 });

test("after any edits, faults and crashes the fleet becomes what the manifests ask, and then nothing is planned", () => {
  fc.assert(
    fc.property(start, fc.array(move, { maxLength: 25 }), (first, moves) => {
      const builder = createDesiredBuilder();
      const world = new PureWorld();
      const commit = (choices: readonly (SetChoice | null)[]): void =>
        world.commit(builder.build(manifestsOf(...manifestsFor(choices))).desired!);
      commit(first);
      play(world, moves, commit);
      endFaults(world);
      world.converge(40);
      expect(world.plan().plan.changes).toEqual([]);
      const wanted = [...world.desired!.sets.values()].flatMap((wish) => {
        const zones = wish.placement.zones.length || 3;
        const target = targetCount(wish, null, world.nowMs, zones);
        return Array.from({ length: target.count + target.spare }, (_, index) => `${wish.name}/${index}`);
      });
      expect(world.running().map((at) => at.split("@")[0])).toEqual(wanted.sort());
    }),
    { numRuns: 60 },
  );
});
