import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeForeign, makeForeign, makeForeignQdisc } from "./foreign.ts";
import { createFleet, inNetworkOf, type TestFleet, type WorldContainer } from "./fleet.ts";
import { fleetFiles, INSTANCES } from "./manifests.ts";
import type { RigHost } from "./rig/host.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitUntil } from "./rig/wait.ts";

const SETTLE_MS = 240_000;

let rig: Rig;
let fleet: TestFleet;
let before: ReadonlyMap<string, WorldContainer>;
let foreign: readonly string[];

beforeAll(async () => {
  rig = await createRig({ hosts: ["a", "b", "c"], agents: true, liveRestore: true });
  await rig.host("c").killDocker("SIGTERM");
  await rig.host("c").startDocker({ liveRestore: false });
  await Promise.all(rig.hosts.map(makeForeign));
  foreign = await Promise.all(rig.hosts.map(describeForeign));
  fleet = createFleet(rig, fleetFiles(rig));
  await fleet.startReconciler();
  before = await fleet.settled(SETTLE_MS);
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
});

/**
 * Kills the reconciler as the fault begins, starts it again, and waits for the end: all runs once, at its address, reaches the
 * others, and what belongs to others is as it was.
 */
async function endsConverged(): Promise<ReadonlyMap<string, WorldContainer>> {
  await fleet.killReconciler();
  await fleet.startReconciler();
  const after = await fleet.settled(SETTLE_MS);
  expect(after.size).toBe(INSTANCES);
  for (const [slot, { ip, host }] of after) {
    // A slot that moved takes its address along if its Set says `ip: reuse`.
    const former = before.get(slot)!;
    if (host === former.host || slot.startsWith("single/")) expect([slot, ip]).toEqual([slot, former.ip]);
  }
  const webs = [...after.values()].filter(({ slot }) => slot.startsWith("web/")).sort((one, other) => one.slot.localeCompare(other.slot));
  for (const [index, from] of webs.entries()) {
    const to = webs[(index + 1) % webs.length]!;
    await waitUntil(`${from.slot} to reach ${to.slot}`, () => serves(from, to), { deadlineMs: 30_000, evidence: () => fleet.evidence() });
  }
  expect(await Promise.all(rig.hosts.map(describeForeign))).toEqual(foreign);
  before = after;
  return after;
}

async function serves(from: WorldContainer, to: WorldContainer): Promise<boolean> {
  const argv = ["busybox", "timeout", "5", "busybox", "wget", "-q", "-O", "-", `http://${to.ip}:8080/`];
  return (await inNetworkOf(rig.host(from.host), from.id, argv)).stdout === "hello from web\n";
}

/** Ids of the containers on a host. */
function idsOn(containers: ReadonlyMap<string, WorldContainer>, host: RigHost): readonly string[] {
  return [...containers.values()]
    .filter((container) => container.host === host.name)
    .map(({ id }) => id)
    .sort();
}

describe("a fault, and the reconciler killed during it: all ends converged", () => {
  test("docker restart of an app container and of an infra container", async () => {
    const host = rig.host("a");
    const world = await fleet.world();
    const on = world.filter(({ host, slot }) => host === "a" && slot.startsWith("web/"));
    const [app, infra] = [on.find(({ role }) => role === "app")!, on.filter(({ role }) => role === "infra").at(-1)!];
    await host.docker("restart", "--time", "1", app.id);
    await host.docker("restart", "--time", "1", infra.id);
    await endsConverged();
  });

  test("kill -9 of Docker with live-restore: no container ends", async () => {
    const host = rig.host("b");
    const ids = idsOn(before, host);
    await host.killDocker();
    await sleep(1000);
    await host.startDocker({ liveRestore: true });
    expect(idsOn(await endsConverged(), host)).toEqual(ids);
  });

  test("kill -9 of Docker without live-restore", async () => {
    const host = rig.host("c");
    await host.killDocker();
    await sleep(1000);
    await host.startDocker({});
    await endsConverged();
  });

  test("Docker stopped for a minute: its containers stay", async () => {
    const host = rig.host("a");
    const ids = idsOn(before, host);
    host.signalDocker("SIGSTOP");
    await fleet.killReconciler();
    await fleet.startReconciler();
    await sleep(60_000);
    host.signalDocker("SIGCONT");
    expect(idsOn(await endsConverged(), host)).toEqual(ids);
  });

  test("kill -9 of the agent: no container ends", async () => {
    const host = rig.host("b");
    const ids = idsOn(before, host);
    await host.killAgent();
    await sleep(1000);
    await host.startAgent();
    expect(idsOn(await endsConverged(), host)).toEqual(ids);
  });

  test("kill -9 of the switch: flows and rates are put back, no container ends", async () => {
    const host = rig.host("b");
    const ids = idsOn(before, host);
    await host.killSwitch();
    await host.startSwitch();
    expect(idsOn(await endsConverged(), host)).toEqual(ids);
  });

  test("the network between the reconciler and a host is cut: what must not run twice stops there before it starts elsewhere", async () => {
    const host = rig.host("a");
    const mine = [...before.values()].filter(({ host, slot }) => host === "a" && slot.startsWith("single/")).map(({ slot }) => slot);
    expect(mine.length).toBeGreaterThan(0);
    let twice: readonly string[] = [];
    host.cut();
    const runningOf = async (): Promise<Map<string, string[]>> => {
      const found = new Map<string, string[]>();
      for (const { slot, host, role, running } of await fleet.world()) {
        if (role === "app" && running && mine.includes(slot)) found.set(slot, [...(found.get(slot) ?? []), host]);
      }
      return found;
    };
    await waitUntil(
      "every such slot to run elsewhere",
      async () => {
        const running = await runningOf();
        twice = [
          ...twice,
          ...[...running].filter(([, hosts]) => hosts.length > 1).map(([slot, hosts]) => `${slot} on ${hosts.join(" and ")}`),
        ];
        return mine.every((slot) => running.get(slot)?.some((host) => host !== "a") === true);
      },
      { deadlineMs: SETTLE_MS, everyMs: 50, evidence: () => fleet.evidence() },
    );
    expect(twice).toEqual([]);
    host.mend();
    await endsConverged();
  });

  test("the power of one host is cut and comes back", async () => {
    const host = rig.host("b");
    await host.powerCut();
    await host.boot();
    await makeForeignQdisc(host);
    await endsConverged();
  });

  test("the power of all hosts is cut and comes back", async () => {
    await Promise.all(rig.hosts.map((host) => host.powerCut()));
    await Promise.all(rig.hosts.map((host) => host.boot()));
    await Promise.all(rig.hosts.map(makeForeignQdisc));
    await endsConverged();
  });
});
