import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeForeign, makeForeign, makeForeignQdisc } from "./foreign.ts";
import { createFleet, inNetworkOf, type TestFleet, type WorldContainer } from "./fleet.ts";
import { fleetFiles, INSTANCES } from "./manifests.ts";
import { DOCKER_SOCKET } from "./rig/host.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitUntil } from "./rig/wait.ts";
import { watchLives } from "./timeline.ts";

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

/** Waits for the end: all runs once, at its address, reaches the others, and what belongs to others is as it was. */
async function endsConverged(): Promise<ReadonlyMap<string, WorldContainer>> {
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
    await waitUntil(`${from.slot} to reach ${to.slot}`, () => serves(from, to), { evidence: () => fleet.evidence() });
  }
  expect(await Promise.all(rig.hosts.map(describeForeign))).toEqual(foreign);
  before = after;
  return after;
}

async function serves(from: WorldContainer, to: WorldContainer): Promise<boolean> {
  const argv = ["busybox", "timeout", "5", "busybox", "wget", "-q", "-O", "-", `http://${to.ip}:8080/`];
  return (await inNetworkOf(rig.host(from.host), from.id, argv)).stdout === "hello from web\n";
}

/** Ids of the app containers on a host. */
function idsOn(containers: ReadonlyMap<string, WorldContainer>, host: string): readonly string[] {
  const on = [...containers.values()].filter((container) => container.host === host);
  return on.map(({ id }) => id).sort();
}

/** One thing that goes wrong. The reconciler is killed, and another one started, after `begin` and before `end`. */
interface Fault {
  readonly name: string;
  /** The host whose containers all live through it. */
  readonly spares?: string;
  begin(): unknown;
  /** What the new reconciler sees of it, or does, while it lasts. */
  during?(): Promise<unknown>;
  end?(): unknown;
}

const FAULTS: readonly Fault[] = [
  { name: "docker restart of each container of a host, app and infra", ...restartingAll("a") },
  {
    name: "kill -9 of Docker with live-restore",
    spares: "b",
    begin: () => rig.host("b").killDocker(),
    during: () => saysEngineAway("b"),
    end: () => rig.host("b").startDocker({ liveRestore: true }),
  },
  {
    name: "kill -9 of Docker without live-restore",
    begin: () => rig.host("c").killDocker(),
    during: () => saysEngineAway("c"),
    end: () => rig.host("c").startDocker(),
  },
  {
    name: "Docker stopped for a minute",
    spares: "a",
    begin: () => rig.host("a").signalDocker("SIGSTOP"),
    during: () => Promise.all([saysEngineAway("a"), sleep(60_000)]),
    end: () => rig.host("a").signalDocker("SIGCONT"),
  },
  {
    name: "kill -9 of the agent",
    spares: "b",
    begin: () => rig.host("b").killAgent(),
    during: () => saysUnreachable("b"),
    end: () => rig.host("b").startAgent(),
  },
  {
    name: "kill -9 of the switch",
    spares: "b",
    begin: () => rig.host("b").killSwitch(),
    end: () => rig.host("b").startSwitch(),
  },
  {
    name: "the power of one host is cut",
    begin: () => rig.host("b").powerCut(),
    during: () => saysUnreachable("b"),
    end: () => bootAll("b"),
  },
  {
    name: "the power of all hosts is cut",
    begin: () => Promise.all(rig.hosts.map((host) => host.powerCut())),
    during: () => saysUnreachable("a", "b", "c"),
    end: () => bootAll("a", "b", "c"),
  },
  { name: "no network between the reconciler and a host: what must not run twice stops there before it starts elsewhere", ...cutOff("a") },
];

test.each(FAULTS.map((fault) => [fault.name, fault] as const))(
  "%s",
  async (_name, fault) => {
    await fault.begin();
    await fleet.killReconciler();
    await fleet.startReconciler();
    await fault.during?.();
    await fault.end?.();
    const former = before;
    const after = await endsConverged();
    if (fault.spares !== undefined) expect(idsOn(after, fault.spares)).toEqual(idsOn(former, fault.spares));
  },
  2 * SETTLE_MS,
);

function saysEngineAway(host: string): Promise<void> {
  const holds = async (): Promise<boolean> =>
    (await fleet.status()).problems.some(({ code, subject }) => code === "host-engine" && subject === `host/${host}`);
  return waitUntil(`the reconciler to miss Docker on ${host}`, holds, { evidence: () => fleet.evidence() });
}

function saysUnreachable(...names: readonly string[]): Promise<void> {
  const holds = async (): Promise<boolean> => {
    const silent = (await fleet.hosts()).filter(({ reachable }) => !reachable).map(({ name }) => name);
    return silent.length > 0 && silent.sort().join() === names.join();
  };
  return waitUntil(`the reconciler to miss ${names.join(", ")}`, holds, { evidence: () => fleet.evidence() });
}

/** What is in memory only its owner makes again. */
async function bootAll(...names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => rig.host(name).boot()));
  await Promise.all(names.map((name) => makeForeignQdisc(rig.host(name))));
}

/** One after the other, while the agent brings back what loses its network by it. */
function restartingAll(name: string): Pick<Fault, "begin" | "end"> {
  let restarting: Promise<unknown> = Promise.resolve();
  return {
    async begin() {
      const ids = (await fleet.world()).filter(({ host }) => host === name).map(({ id }) => id);
      const argv = ["docker", "-H", `unix://${DOCKER_SOCKET}`, "restart", "--time", "1", ...ids];
      restarting = rig.host(name).exec(argv, { deadlineMs: 120_000, anyExit: true });
    },
    end: () => restarting,
  };
}

function cutOff(name: string): Pick<Fault, "begin" | "during" | "end"> {
  let lives: Awaited<ReturnType<typeof watchLives>>;
  const mine = (): readonly string[] =>
    [...before.values()].filter(({ host, slot }) => host === name && slot.startsWith("single/")).map(({ slot }) => slot);
  return {
    async begin() {
      expect(mine().length).toBeGreaterThan(0);
      lives = await watchLives(fleet);
      rig.host(name).cut();
    },
    async during() {
      const runElsewhere = async (): Promise<boolean> => {
        const elsewhere = (await fleet.world()).filter(({ host, role, running }) => host !== name && role === "app" && running);
        return mine().every((slot) => elsewhere.some((container) => container.slot === slot));
      };
      await waitUntil("every such slot to run elsewhere", runElsewhere, {
        deadlineMs: SETTLE_MS,
        everyMs: 200,
        evidence: () => fleet.evidence(),
      });
      const { slots } = await lives();
      expect(mine().map((slot) => [slot, slots.get(slot)])).toEqual(mine().map((slot) => [slot, { least: 0, most: 1 }]));
    },
    end: () => rig.host(name).mend(),
  };
}
