import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { HostObservation, ObservedInstance } from "../../reconciler/core/observation.ts";
import type { Action } from "../../reconciler/core/plan.ts";
import { done, FakeAgent, GIB } from "../io-hosts/fake-agent.ts";
import { cli, scratch, type CliResult } from "./run.ts";

const { dir, remove } = scratch();
const STATE = join(dir, "state");
const FOLDER = join(dir, "app");

/** An agent that does what it is told, in memory. */
async function obedient(path: string): Promise<FakeAgent> {
  const agent = await new FakeAgent(path, "local").start();
  const capacity = { cpuMillis: 64_000, memoryBytes: 1024 * GIB, diskBytes: 0, ingressBps: 1e12, egressBps: 1e12 };
  agent.observation = { ...agent.observation, capacity };
  agent.answer = (action) => {
    const change = carryOut(agent.observation, action);
    if (change !== null) agent.report(change);
    return done(action, agent.observation.version);
  };
  return agent;
}

function carryOut({ instances, ports, images, floors }: HostObservation, action: Action): Partial<HostObservation> | null {
  const { set, index, generation, taskId } = action;
  const isSlot = (one: { set: string; index: number }): boolean => one.set === set && one.index === index;
  switch (action.kind) {
    case "pullImage":
      return { images: [...new Set([...images, action.image])] };
    case "attachPort":
      return { ports: [...ports.filter((port) => !isSlot(port)), { set, index, generation, ip: action.ip }] };
    case "detachPort":
      return { ports: ports.filter((port) => !isSlot(port)) };
    case "startInstance": {
      const { infraHash, containerHashes, specHash, live, liveHash, resources, hostPorts, exclusive, priority } = action.spec;
      const spec = { infraHash, containerHashes, specHash, live, liveHash, resources, hostPorts, exclusive, priority };
      const state = { phase: "running", healthy: true, images: {}, message: "" } as const;
      const instance: ObservedInstance = { set, index, generation, taskId, ip: action.ip, ...spec, ...state };
      return { instances: [...instances.filter((one) => !isSlot(one)), instance] };
    }
    case "updateLive": {
      const { live, liveHash, resources } = action.spec;
      return { instances: instances.map((one) => (isSlot(one) ? { ...one, live, liveHash, resources } : one)) };
    }
    case "removeInstance":
      return { instances: instances.filter((one) => !isSlot(one)), floors: { ...floors, [`${set}/${index}`]: generation + 1 } };
    case "awaitHealthy":
    case "confirmGone":
    case "stopInstance":
      return null;
    case "createVolume":
    case "growVolume":
    case "replaceContainers":
    case "trashVolume":
    case "restoreVolume":
    case "purgeVolume":
      throw new Error(`not expected here: ${action.kind}`);
  }
}

function write(name: string, text: string, folder = FOLDER): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text);
}

const set = (name: string, pool: string, more = "", replicas = 2): string => `apiVersion: setpoint/v1
kind: Set
metadata: {name: ${name}}
spec:
  pool: ${pool}
  replicas: ${replicas}
  template:
    containers:
      - {name: app, image: "shop/app:1", resources: {cpu: {request: 100m}, memory: {request: 64Mi}}}
${more}`;

let agent: FakeAgent;

async function apply(...args: string[]): Promise<CliResult> {
  return await cli({ cwd: dir }, "apply", "--local", "--state", STATE, "--timeout", "30s", ...args);
}

beforeAll(async () => {
  mkdirSync(STATE, { mode: 0o700 });
  agent = await obedient(join(STATE, "agent.sock"));
});

afterAll(async () => {
  await agent.stop();
  remove();
});

test("before anything was applied there is nothing to take away", async () => {
  expect(await apply("--delete")).toMatchObject({ exitCode: 0, stdout: "nothing to take away: nothing was applied with --local\n" });
  expect((await apply()).stderr).toContain("apply needs the folder with the manifests");
});

test("a folder with Sets alone runs on a pool made up of this machine, and it is said what is not enforced", async () => {
  write("web.yaml", set("web", "anything", "    network: {ingress: 10mbit}\n"));
  const { exitCode, stdout, stderr } = await apply("app");
  expect(stderr).toContain("is pool anything, limits best-effort, on Docker's own bridge");
  expect(stderr).toContain("set/web: not enforced, for want of a driver there: rates on local");
  expect([exitCode, stdout.replace(/dir-\w+/, "X")]).toEqual([
    0,
    "converged: the hosts are as X says\n  web/0  running  10.213.77.2\n  web/1  running  10.213.77.3\n",
  ]);
  expect(agent.settings.at(-1)).toMatchObject({
    host: "local",
    network: { driver: "bridge", bridge: "setpoint-local" },
    limits: "best-effort",
  });
});

test("the same again does nothing; an edit is carried out", async () => {
  const before = agent.applied.length;
  expect((await apply("app")).exitCode).toBe(0);
  expect(agent.applied).toHaveLength(before);
  write("web.yaml", set("web", "anything", "", 1));
  expect((await apply("app")).exitCode).toBe(0);
  expect(agent.observation.instances.map(({ set, index }) => `${set}/${index}`)).toEqual(["web/0"]);
});

test("another folder is refused while something runs", async () => {
  write("other.yaml", set("other", "local"), join(dir, "other"));
  for (const args of [["other"], ["--delete", "other"]]) {
    const { exitCode, stderr } = await apply(...args);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`what runs here came from ${FOLDER}`)]);
  }
  expect(agent.observation.instances).toHaveLength(1);
});

test("an empty folder is a mistake, no order", async () => {
  rmSync(join(FOLDER, "web.yaml"));
  const { exitCode, stderr } = await apply("app");
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("there are no manifests")]);
  expect(agent.observation.instances).toHaveLength(1);
});

test("--delete takes everything away, whatever became of the folder", async () => {
  rmSync(FOLDER, { recursive: true });
  expect(await apply("--delete")).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("taken away: nothing of it runs here any more"),
  });
  expect(agent.observation.instances).toEqual([]);
  expect((await apply("--delete")).stdout).toContain("nothing to take away");
});

test("one machine is one pool with one host", async () => {
  write("a.yaml", set("a", "one"));
  write("b.yaml", set("b", "two"));
  expect((await apply("app")).stderr).toContain("The Sets name the pools `one`, `two`, and no HostPool is written");
  const hosts = (agent: string): string => `apiVersion: setpoint/v1
kind: HostPool
metadata: {name: one}
spec:
  network: {cidr: 10.5.0.0/24, gateway: 10.5.0.1}
  hosts: [{name: "h-[1-2]", zone: a, agent: "${agent}", capacity: {cpu: 4, memory: 4Gi}}]
`;
  write("b.yaml", hosts("sim"));
  expect((await apply("app")).stderr).toContain("With --local there is one host, this machine; the manifests have more than that");
});

test("without Docker, that is said", async () => {
  write("b.yaml", set("b", "one"));
  const env = { DOCKER_HOST: `unix://${dir}/no.sock` };
  const { exitCode, stderr } = await cli({ cwd: dir, env }, "apply", "--local", "--state", join(dir, "second"), "app");
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`Docker does not run here: nothing answers on ${dir}/no.sock`)]);
  const remote = await cli(
    { cwd: dir, env: { DOCKER_HOST: "tcp://10.0.0.1:2375" } },
    "apply",
    "--local",
    "--state",
    join(dir, "second"),
    "app",
  );
  expect(remote.stderr).toContain("--local works with a Docker on this machine only");
});
