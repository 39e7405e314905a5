import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cli, scratch, type CliResult } from "./run.ts";

const here = scratch();

beforeAll(() => {
  mkdirSync(join(here.dir, "fleet"));
  writeFileSync(
    join(here.dir, "fleet/all.yaml"),
    `apiVersion: setpoint/v1
kind: HostPool
metadata: { name: lab }
spec:
  network: { cidr: 10.70.0.0/24, gateway: 10.70.0.1 }
  hosts:
    - { name: "a-[1-5]", agent: "unix://${here.dir}/{host}.sock", zone: one, capacity: { cpu: 2, memory: 6Gi, disk: 10Gi, bandwidth: 1gbit } }
---
apiVersion: setpoint/v1
kind: Set
metadata: { name: web }
spec:
  pool: lab
  replicas: 1
  template:
    containers:
      - { name: app, image: "r/web:1", resources: { cpu: { request: 1 }, memory: { request: 1Gi } } }
`,
  );
});
afterAll(() => here.remove());

function setpoint(...args: readonly string[]): Promise<CliResult> {
  return cli({ cwd: here.dir }, ...args);
}

const UNASKED = "note: hosts with real agents were not asked (a-1, a-2, a-3 and 2 more): ";

test("a plan without a daemon says that it is one for empty hosts, in one line", async () => {
  const { exitCode, stdout, stderr } = await setpoint("plan", "fleet");
  expect(exitCode).toBe(2);
  expect(stdout).toMatch(/web\/0 +create/);
  expect(stderr).toBe(`${UNASKED}this is a plan for empty hosts; to plan for what runs there start the daemon, or use apply\n`);
});

test("reading verbs without a daemon say that nothing is known of what runs on them", async () => {
  expect((await setpoint("apply", "fleet", "--timeout", "2s")).exitCode).not.toBe(0);
  for (const verb of [["get", "hosts"], ["status"], ["explain", "host/a-1"]]) {
    const { stderr } = await setpoint(...verb);
    expect(stderr).toBe(
      `note: no daemon runs on ${join(here.dir, ".setpoint")}; this is what its journal last knew\n${UNASKED}nothing is known of what runs there; start the daemon to see it\n`,
    );
  }
});
