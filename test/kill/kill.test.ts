import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import type { StatusReport } from "../../reconciler/api/types.ts";
import { askDaemon } from "../../reconciler/cli/client.ts";
import { readState } from "../../reconciler/cli/offline.ts";
import type { StateFolder } from "../../reconciler/cli/state-folder.ts";
import { slotKey } from "../../reconciler/core/ids.ts";
import { createRandom } from "../../reconciler/sim/random.ts";
import { startDaemon } from "./daemon-process.ts";

const SEED = process.env["SEED"] ?? "kill-1";
const KILLS = 50;
const INSTANCES = 200;
/** Slow enough that the rollout outlasts all lives of the daemon, fast enough that each life gets on. */
const SPEED = 0.5;
/** Every fifth dies while it starts: this long after its process began at the most. */
const START_MS = 800;
/** The others this long after they have started at the most. */
const WORK_MS = 2000;

const POOL = `apiVersion: setpoint/v1
kind: HostPool
metadata: { name: main }
spec:
  network: { cidr: 10.60.0.0/16, gateway: 10.60.0.1 }
  hosts:
    - { name: "k-a-[01-10]", agent: sim, zone: a, capacity: { cpu: 64, memory: 128Gi, disk: 1Ti, bandwidth: 10gbit } }
    - { name: "k-b-[01-10]", agent: sim, zone: b, capacity: { cpu: 64, memory: 128Gi, disk: 1Ti, bandwidth: 10gbit } }
`;

/** Ten Sets of twenty; every second owns volumes, so that a second Instance of a slot would do harm. */
function setManifest(number: number): string {
  const volume = number % 2 === 0 ? "" : "\n    volumes:\n      - { name: data, lvm: { size: 1Gi } }";
  const mount = number % 2 === 0 ? "" : "\n        mounts: [{ volume: data, path: /data }]";
  return `apiVersion: setpoint/v1
kind: Set
metadata: { name: set-${number} }
spec:
  pool: main
  replicas: ${INSTANCES / 10}
  template:
    containers:
      - name: app
        image: registry.example/app-${number}:1.0
        resources: { cpu: { request: 100m }, memory: { request: 128Mi } }${mount}${volume}
`;
}

const dir = mkdtempSync(join(tmpdir(), "spk-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function makeRepository(): void {
  const repository = join(dir, "repo");
  mkdirSync(repository);
  writeFileSync(join(repository, "pool.yaml"), POOL);
  for (let number = 0; number < 10; number++) writeFileSync(join(repository, `set-${number}.yaml`), setManifest(number));
  const git = (...args: readonly string[]): unknown => execFileSync("git", ["-C", repository, ...args], { stdio: "ignore" });
  git("init", "--quiet", "--initial-branch=main");
  git("add", "--all");
  git("-c", "user.name=ann", "-c", "user.email=ann@example", "commit", "--quiet", "-m", "fleet");
}

const state: StateFolder = {
  dir: join(dir, "state"),
  journal: join(dir, "state/journal.db"),
  sim: join(dir, "state/sim.db"),
  socket: join(dir, "state/control.sock"),
};

/** Slot → `host#generation` of what the journal acknowledged. */
function placements(): Map<string, string> {
  const placed = new Map<string, string>();
  for (const [set, memory] of readState(state).memory.sets) {
    for (const [index, slot] of memory.slots) {
      expect(slot.former, slotKey(set, index)).toEqual([]);
      placed.set(slotKey(set, index), `${slot.current!.host}#${slot.current!.generation}`);
    }
  }
  return placed;
}

/** Slot → every Instance of it on any host. */
function instances(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [host, { observation }] of readState(state).fleet) {
    for (const { set, index, generation } of observation?.instances ?? []) {
      const key = slotKey(set, index);
      found.set(key, [...(found.get(key) ?? []), `${host}#${generation}`]);
    }
  }
  return found;
}

/** Node keeps compiled files only when a process ends by itself; with them the killed ones start as fast as in real life. */
async function warmUp(): Promise<void> {
  const daemon = startDaemon(dir, 1, "other");
  await daemon.started;
  expect(await daemon.stop()).toBe(0);
}

async function converged(): Promise<StatusReport> {
  const deadline = Date.now() + 180_000;
  for (;;) {
    const report = await askDaemon<StatusReport>(state, "/v1/status").catch(() => null);
    if (report?.state === "converged" && report.instances.ready === INSTANCES) return report;
    if (Date.now() > deadline) throw new Error(`not converged: ${JSON.stringify(report)}`);
    await sleep(200);
  }
}

test(`a daemon killed ${KILLS} times while it starts ${INSTANCES} Instances loses and doubles nothing (seed ${SEED})`, async () => {
  const random = createRandom(SEED);
  makeRepository();
  await warmUp();
  const acknowledged = new Map<string, string>();
  let atWork = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const daemon = startDaemon(dir, SPEED);
    if (kill % 5 !== 0) await daemon.started;
    await sleep(random.between(0, kill % 5 === 0 ? START_MS : WORK_MS));
    await daemon.kill();
    expect(daemon.log()).not.toMatch(/"level":"error"|\[internal\]/);
    for (const [slot, place] of placements()) {
      expect([slot, acknowledged.get(slot) ?? place]).toEqual([slot, place]);
      acknowledged.set(slot, place);
    }
    for (const [slot, all] of instances()) expect([slot, all]).toEqual([slot, [acknowledged.get(slot)]]);
    if (readState(state).memory.running.size > 0) atWork += 1;
  }
  const daemon = startDaemon(dir, 20);
  const report = await converged();
  expect(report).toMatchObject({ problems: [], held: [], instances: { wanted: INSTANCES, ready: INSTANCES } });
  expect(await daemon.stop()).toBe(0);
  expect(placements()).toEqual(acknowledged);
  const found = instances();
  expect(found.size).toBe(INSTANCES);
  for (const [slot, all] of found) expect([slot, all]).toEqual([slot, [acknowledged.get(slot)]]);
  expect(atWork).toBeGreaterThanOrEqual(KILLS / 4);
  process.stdout.write(`${KILLS} kills, ${atWork} of them with steps under way; ${found.size} Instances, each once\n`);
});
