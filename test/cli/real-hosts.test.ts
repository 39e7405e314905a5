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

test("a host is checked before Docker is there: no limit is blamed on the kernel that nobody could try", async () => {
  const [docker, root] = [join(here.dir, "docker.sock"), join(here.dir, "docker")];
  const { exitCode, stdout } = await setpoint("agent", "check", "-o", "json", "--docker", docker, "--docker-root", root);
  const findings = JSON.parse(stdout) as { part: string; state: string; found: string; fix: string }[];
  expect(exitCode).toBe(1);
  expect(findings[0]).toMatchObject({ part: "docker", state: "lacking", found: `nothing at ${docker}` });
  expect(findings.find(({ part }) => part === "cgroup io")).toEqual({
    part: "cgroup io",
    state: "lacking",
    found: `not known yet: Docker's data folder ${root} is not there`,
    fix: "start Docker once, or name its data folder: --docker-root DIR",
  });
});

test("a host whose Docker keeps its data in memory is told so, in place of blaming the kernel", async () => {
  const { stdout } = await setpoint("agent", "check", "-o", "json", "--docker", join(here.dir, "docker.sock"), "--docker-root", "/proc");
  const findings = JSON.parse(stdout) as { part: string; found: string }[];
  expect(findings.find(({ part }) => part === "cgroup io")?.found).toBe(
    "no io limits: Docker's data folder /proc lies on no disk of this host",
  );
});
