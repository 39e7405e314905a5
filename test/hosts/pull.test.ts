import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet, type TestFleet } from "./fleet.ts";
import { bridgePool, webManifest } from "./manifests.ts";
import type { RigHost } from "./rig/host.ts";
import { RIG_PATH, startInNamespaces, type RigProcess } from "./rig/process.ts";
import { REGISTRY, REGISTRY_PORT } from "./rig/registry.ts";
import { createRig, type Rig } from "./rig/rig.ts";

const SETTLE_MS = 120_000;

let rig: Rig;
let host: RigHost;
let fleet: TestFleet;

beforeAll(async () => {
  rig = await createRig({ hosts: ["a"], agents: true, docker: "plain", ovs: false });
  host = rig.host("a");
  fleet = createFleet(rig, { "pool.yaml": bridgePool(rig), "web.yaml": webManifest(`${REGISTRY}/web:1`, 2) });
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
});

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
  fleet.commit({ "web.yaml": webManifest(`${REGISTRY}/web:2`, 2) });
  await fleet.says(["status"], `pull-failed: image ${REGISTRY}/web:2: `, "connection refused");
  expect(await images()).toEqual([`${REGISTRY}/web:1`, `${REGISTRY}/web:1`]);

  const again = await startRegistry();
  await fleet.settled(SETTLE_MS);
  expect(await images()).toEqual([`${REGISTRY}/web:2`, `${REGISTRY}/web:2`]);
  await again.kill();
});
