import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet, type TestFleet } from "./fleet.ts";
import type { RigHost } from "./rig/host.ts";
import { RIG_PATH, startInNamespaces, type RigProcess } from "./rig/process.ts";
import { REGISTRY, REGISTRY_PORT } from "./rig/registry.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitFor } from "./rig/wait.ts";

const SETTLE_MS = 120_000;

let rig: Rig;
let host: RigHost;
let fleet: TestFleet;

beforeAll(async () => {
  rig = await createRig({ hosts: ["a"], agents: true, docker: "plain", ovs: false });
  host = rig.host("a");
  fleet = createFleet(rig, { "pool.yaml": pool(), "web.yaml": webManifest("web:1") });
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
});

function pool(): string {
  return `apiVersion: setpoint/v1
kind: HostPool
metadata: { name: lab }
spec:
  network: { cidr: 10.70.0.0/24, gateway: 10.70.0.1, driver: bridge }
  hosts:
    - { name: a, agent: "unix://${host.agentSocket}", zone: one, capacity: { cpu: 2, memory: 6Gi, disk: 10Gi, bandwidth: 1gbit } }
`;
}

function webManifest(image: string): string {
  return `apiVersion: setpoint/v1
kind: Set
metadata: { name: web }
spec:
  pool: lab
  replicas: 2
  template:
    containers:
      - name: app
        image: ${REGISTRY}/${image}
        health: { http: { port: 8080 }, interval: 1s }
        resources: { cpu: { request: 10m }, memory: { request: 16Mi, limit: 64Mi } }
`;
}

function startRegistry(): Promise<RigProcess> {
  const argv = [process.execPath, join(import.meta.dirname, "rig/registry.ts"), String(REGISTRY_PORT)];
  return startInNamespaces(host.initPid, argv, { log: join(host.folder, "log/registry.log"), env: { PATH: RIG_PATH } });
}

async function images(): Promise<string[]> {
  return (await host.docker("ps", "--format", "{{.Image}}")).split("\n").filter((image) => image.startsWith(REGISTRY));
}

test("images are pulled from a registry, and again when it comes back", async () => {
  const registry = await startRegistry();
  await fleet.startReconciler();
  await fleet.settled(SETTLE_MS);
  expect(await images()).toEqual([`${REGISTRY}/web:1`, `${REGISTRY}/web:1`]);

  await registry.kill();
  fleet.commit({ "web.yaml": webManifest("web:2") });
  const toldOf = async (): Promise<true | null> =>
    /pull-failed.*connection refused/.test(JSON.stringify(await fleet.status())) ? true : null;
  await waitFor("the reconciler to tell of the pull that failed", toldOf, { deadlineMs: 60_000, evidence: () => fleet.evidence() });
  expect(await images()).toEqual([`${REGISTRY}/web:1`, `${REGISTRY}/web:1`]);

  const again = await startRegistry();
  await fleet.settled(SETTLE_MS);
  expect(await images()).toEqual([`${REGISTRY}/web:2`, `${REGISTRY}/web:2`]);
  await again.kill();
});
