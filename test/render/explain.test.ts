import { mkdtempSync, readFileSync, rmSync, writeFileSync, cpSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { desiredFromFolder } from "../../reconciler/cli/folder.ts";
import { whatIf } from "../../reconciler/cli/what-if.ts";
import type { Desired } from "../../reconciler/core/desired.ts";
import type { JournalEvent } from "../../reconciler/core/events.ts";
import type { ObservedInstance } from "../../reconciler/core/observation.ts";
import type { PlanInput } from "../../reconciler/core/plan.ts";
import { explain } from "../../reconciler/plan/explain.ts";
import { createPlanner } from "../../reconciler/plan/planner.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";

const STARTER = join(import.meta.dirname, "../../reconciler/cli/starter");
const NOW_MS = 1_800_000_000_000;

const dir = mkdtempSync(join(tmpdir(), "spx-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let desired: Desired;
let crowded: Desired;

beforeAll(async () => {
  cpSync(STARTER, dir, { recursive: true });
  desired = (await desiredFromFolder(dir)).desired!;
  const file = join(dir, "sets/web.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace("replicas: 3", "replicas: 70"));
  crowded = (await desiredFromFolder(dir)).desired!;
});

/** Empty hosts, and a journal of these events. */
function inputFor(wanted: Desired, events: readonly JournalEvent[] = []): PlanInput {
  const memory = fold(emptyMemory(), events);
  const empty = { desired: wanted, destroysFrozen: null, memory, fleet: new Map(), busy: new Set<string>() };
  return whatIf({ nowMs: NOW_MS, monotonicMs: 100_000, startedAtMs: 0, ...empty }, wanted);
}

function explained(input: PlanInput, subject: string): string[] {
  return explain(input, createPlanner().plan(input), subject);
}

const PLACED: JournalEvent = {
  type: "slot.placed",
  atMs: NOW_MS,
  set: "web",
  index: 0,
  claim: {
    generation: 1,
    host: "lab-a-1",
    ip: "10.40.0.2",
    resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2, diskBytes: 0, ingressBps: 0, egressBps: 0 },
    hostPorts: [],
    exclusive: false,
    core: false,
    taskId: "t1",
    why: "zone a, then emptiest",
  },
};

/** web/0 runs there, healthy. */
function runningOn(name: string): PlanInput {
  const input = inputFor(desired, [PLACED]);
  const view = input.fleet.get(name)!;
  const { infraHash, containerHashes, live, liveHash, exclusive, priority, resources } = desired.sets.get("web")!;
  const instance: ObservedInstance = {
    set: "web",
    index: 0,
    generation: 1,
    phase: "running",
    healthy: true,
    message: "",
    infraHash,
    containerHashes,
    specHash: "of an older manifest",
    live,
    liveHash,
    resources,
    hostPorts: [],
    ip: "10.40.0.2",
    images: {},
    exclusive,
    priority,
    taskId: "t1",
  };
  const observation = { ...view.observation!, instances: [instance] };
  return { ...input, fleet: new Map(input.fleet).set(name, { ...view, observation }) };
}

const HELD: JournalEvent = {
  type: "hold.placed",
  atMs: NOW_MS,
  hold: { scope: "set", name: "web", who: "ann", why: "busy evening", sinceMs: NOW_MS, untilMs: null },
};

describe("explain", () => {
  test("a slot that is to be started", () => {
    expect(explained(inputFor(desired), "web/0").join("\n")).toMatchInlineSnapshot(`
      "web/0 is wanted and does not run anywhere yet.
      It is to be started on lab-a-1, because: zone a, then 6% of cpu and 2% of memory reserved."
    `);
  });

  test("a slot for which there is no room, and what would change that", () => {
    expect(explained(inputFor(crowded), "web/69").join("\n")).toMatchInlineSnapshot(`
      "web/69 is wanted and does not run anywhere yet.
      It waits: of 4 hosts: 4 lack cpu (need 500m, most free 0 on lab-a-1) [blocked.capacity].
      It is placed by itself as soon as a host has room: add or uncordon hosts, or ask for less."
    `);
  });

  test("slots of a Set that wait for the same thing are told together", () => {
    expect(explained(inputFor(crowded), "web")[2]).toMatchInlineSnapshot(
      `"web/64, web/65, web/66 and 3 more: It waits: of 4 hosts: 4 lack cpu (need 500m, most free 0 on lab-a-1) [blocked.capacity]. It is placed by itself as soon as a host has room: add or uncordon hosts, or ask for less."`,
    );
  });

  test("what a silent host was last seen to run does not count as healthy", () => {
    const input = runningOn("lab-a-1");
    expect(explained(input, "web")[1]).toBe("1 is healthy, on 1 host; none of them as the newest manifest says.");
    const silent = { ...input, monotonicMs: input.monotonicMs + 20_000 };
    expect(explained(silent, "web")[1]).toBe("None of them is healthy now.");
  });

  test("a Set that left the manifests, while its destroys wait", () => {
    const without: Desired = { ...desired, sets: new Map() };
    expect(explained({ ...inputFor(without, [PLACED]), destroysFrozen: "the manifests can't be read" }, "web").join("\n"))
      .toMatchInlineSnapshot(`
      "Set web is no longer in the manifests; 1 slot of it is to be removed.
      web/0: It waits: the manifests can't be read; would remove [wait.frozen]. It goes on when the newest commit is valid and can be read; see: setpoint get revisions"
    `);
  });

  test("a slot whose host is silent", () => {
    const input = inputFor(desired, [PLACED]);
    const fleet = new Map(input.fleet).set("lab-a-1", { observation: null, heardAtMs: null, problem: "no route to host" });
    expect(explained({ ...input, fleet }, "web/0").join("\n")).toMatchInlineSnapshot(`
      "web/0 was placed on lab-a-1 (zone a), generation 1, address 10.40.0.2.
      It was placed there because: zone a, then emptiest.
      Nothing was heard from lab-a-1 since the daemon started.
      It is to move from lab-a-1 to lab-b-1, because: host lab-a-1 is lost; zone b, then 6% of cpu and 2% of memory reserved."
    `);
    expect(explained({ ...input, fleet }, "host/lab-a-1").join("\n")).toMatchInlineSnapshot(`
      "lab-a-1 (zone a) is lost; its state is active.
      The connection says: no route to host.
      Nothing was heard from lab-a-1 since the daemon started.
      It holds 1 slot: web/0.
      Reserved there: 500m of 8 cpu, 256Mi of 16Gi memory.
      If that machine is off for good, its slots go on at once with: setpoint host confirm-dead lab-a-1 --why ...
      1 slot is to leave it."
    `);
  });

  test("a Set, also while it is held", () => {
    expect(explained(inputFor(desired), "web").join("\n")).toMatchInlineSnapshot(`
      "Set web (sets/web.yaml:2) is to have 3 Instances, by the rule: replicas 3.
      None of them is healthy now.
      web/0: It is to be started on lab-a-1, because: zone a, then 6% of cpu and 2% of memory reserved.
      web/1: It is to be started on lab-b-1, because: zone b, then 6% of cpu and 2% of memory reserved.
      web/2: It is to be started on lab-a-2, because: zone a, then 6% of cpu and 2% of memory reserved."
    `);
    expect(explained(inputFor(desired, [HELD]), "web").at(-1)).toBe(
      "Set web is held by ann: busy evening. End it with: setpoint release web",
    );
  });

  test("a slot that nobody wants, and things that are not there", () => {
    const input = inputFor(desired);
    expect(explained(input, "web/3")).toEqual(["web/3 is not wanted: Set web has 3 slots, numbered from 0."]);
    expect(() => explained(input, "api")).toThrow("nothing to explain about 'api': there is no Set or host of that name");
    expect(() => explained(input, "api/1")).toThrow("nothing to explain about 'api/1': there is no Set 'api'");
    expect(() => explained(input, "host/x")).toThrow("nothing to explain about 'host/x': there is no host 'x'");
  });
});
