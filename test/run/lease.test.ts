import { describe, expect, test } from "vitest";
import type { Desired } from "../../reconciler/core/desired.ts";
import type { PlanInput } from "../../reconciler/core/plan.ts";
import { buildDesired } from "../../reconciler/plan/desired/builder.ts";
import { fencedInMs, hostStatus } from "../../reconciler/plan/fleet/host-status.ts";
import { createFleet, type FleetKeeper } from "../../reconciler/run/fleet.ts";
import { emptyMemory } from "../../reconciler/run/fold.ts";
import { createVirtualClock } from "../../reconciler/sim/virtual-clock.ts";
import { manifestsOf, pool } from "../desired/documents.ts";

const HOST = "main-a-01";
const NOBODY = { observed: () => undefined, heard: () => undefined, lost: () => undefined };

function desiredWith(leaseFor: string): Desired {
  return buildDesired(manifestsOf(pool("main", { failure: { leaseFor } }))).desired!;
}

/** Milliseconds until nothing exclusive can run on the host, with containers that stop at once. */
function fenced(fleet: FleetKeeper, desired: Desired, monotonicMs: number): number | null {
  const input: PlanInput = {
    nowMs: 0,
    monotonicMs,
    startedAtMs: 0,
    desired,
    destroysFrozen: null,
    memory: emptyMemory(),
    fleet: fleet.views,
    busy: new Set(),
  };
  return fencedInMs(
    hostStatus(
      input,
      HOST,
      desired.hosts.find((host) => host.name === HOST)!,
    ),
    0,
  );
}

describe("a lease that a commit changes while a host is cut off", () => {
  test("shorter: the older, longer one has to run out", async () => {
    const clock = createVirtualClock(0);
    const fleet = createFleet(clock, NOBODY);
    fleet.follow([{ name: HOST, settings: { leaseForMs: 600_000 } }]);
    fleet.listener.heard(HOST);
    fleet.follow([{ name: HOST, settings: { leaseForMs: 45_000 } }]);
    await clock.advance(120_000);
    expect(fenced(fleet, desiredWith("45s"), clock.monotonic())).toBeGreaterThanOrEqual(480_000);
    // 5 % for the agent's clock, then 5 s for it to stop what it must.
    await clock.advance(511_000);
    expect(fenced(fleet, desiredWith("45s"), clock.monotonic())).toBe(4_000);
    await clock.advance(4_000);
    expect(fenced(fleet, desiredWith("45s"), clock.monotonic())).toBe(0);
  });

  test("the first one: a host that never got it is not fenced by it", async () => {
    const clock = createVirtualClock(0);
    const fleet = createFleet(clock, NOBODY);
    fleet.follow([{ name: HOST, settings: { leaseForMs: null } }]);
    fleet.listener.heard(HOST);
    fleet.follow([{ name: HOST, settings: { leaseForMs: 45_000 } }]);
    await clock.advance(10_000_000);
    expect(fenced(fleet, desiredWith("45s"), clock.monotonic())).toBeNull();
    fleet.listener.heard(HOST);
    await clock.advance(100_000);
    expect(fenced(fleet, desiredWith("45s"), clock.monotonic())).toBe(0);
  });
});
