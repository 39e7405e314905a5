import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet, type TestFleet, type WorldContainer } from "../hosts/fleet.ts";
import { setManifest } from "../hosts/manifests.ts";
import { IMAGES } from "../hosts/rig/images.ts";
import { BRIDGE, vmPool } from "./manifests.ts";
import type { VmHost } from "./rig/host.ts";
import { createVmRig, type VmRig } from "./rig/rig.ts";

const SETTLE_MS = 300_000;

let rig: VmRig;
let host: VmHost;
let fleet: TestFleet;
let settled: ReadonlyMap<string, WorldContainer>;

beforeAll(async () => {
  rig = await createVmRig({ hosts: ["alpha"] });
  host = rig.host("alpha");
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
});

/** Microseconds after boot at which a unit became what the property says. */
async function since(unit: string, property: string): Promise<number> {
  const { stdout } = await host.exec(["systemctl", "show", "--value", "--property", `${property}TimestampMonotonic`, unit]);
  return Number(stdout);
}

function addresses(containers: ReadonlyMap<string, WorldContainer>): Readonly<Record<string, string>> {
  return Object.fromEntries([...containers.values()].map(({ slot, ip }) => [slot, ip]));
}

test("the installed agent runs, starts at boot, and finds all it needs", async () => {
  const { stdout } = await host.exec(["systemctl", "is-active", "setpoint-agent"]);
  expect(stdout).toBe("active\n");
  await host.exec(["vgcreate", "pool", "/dev/vdb"]);
  interface Finding {
    readonly part: string;
    readonly state: string;
    readonly found: string;
  }
  const checked = await host.exec(["setpoint", "agent", "check", "-o", "json"]);
  const findings = new Map((JSON.parse(checked.stdout) as readonly Finding[]).map((finding) => [finding.part, finding]));
  for (const part of ["docker", "live-restore", "ovs", "tc", "cgroup io", "lvm", "ssh"]) {
    expect(findings.get(part), part).toMatchObject({ state: "present" });
  }
  expect(findings.get("lvm")!.found).toBe("volume groups: pool");
  expect(findings.get("docker")!.found).toContain("cgroup v2 by systemd");
});

test("a reconciler elsewhere makes the host run a Set, through ssh", async () => {
  await host.exec(["ovs-vsctl", "--may-exist", "add-br", BRIDGE]);
  fleet = createFleet(rig, {
    "pool.yaml": vmPool(rig),
    "web.yaml": setManifest("web", 2, IMAGES.web, "health: { http: { port: 8080, path: / }, interval: 5s }"),
  });
  await fleet.startReconciler();
  settled = await fleet.settled(SETTLE_MS);
  expect([...settled.keys()].toSorted()).toEqual(["web/0", "web/1"]);
});

test("after a reboot the agent is there before Docker, and all runs again with the same addresses", async () => {
  await host.reboot();
  const startedAtMs = performance.now();
  const again = await fleet.settled(SETTLE_MS);
  process.stdout.write(`All ran again ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s after the boot\n`);
  expect(addresses(again)).toEqual(addresses(settled));
  expect(await since("setpoint-agent", "ActiveEnter")).toBeGreaterThan(0);
  expect(await since("docker", "ExecMainStart")).toBeGreaterThan(await since("setpoint-agent", "ActiveEnter"));
});
