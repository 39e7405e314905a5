import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostAdd, type HostAddOptions } from "../../reconciler/cli/verbs/host-add.ts";
import { INSTALLATION } from "../../reconciler/io/install/release.ts";
import { cli, recorded } from "../cli/run.ts";
import { run } from "../hosts/rig/process.ts";
import type { VmHost } from "./rig/host.ts";
import { createVmRig, type VmRig } from "./rig/rig.ts";

/** What takes a second on hardware takes a minute where machines are emulated and others are at work. */
const PATIENCE_MS = 900_000;

let rig: VmRig;
let host: VmHost;
let folder: string;

beforeAll(async () => {
  rig = await createVmRig({ hosts: ["alpha"], agents: false });
  host = rig.host("alpha");
  folder = mkdtempSync(join(tmpdir(), "setpoint-vm-"));
  // Nothing of what the image may have for the other tests.
  await host.exec(["rm", "-rf", "/opt/setpoint"]);
  await host.exec(["vgcreate", "-q", "data", "/dev/disk/by-id/virtio-data"]);
}, PATIENCE_MS);

afterAll(async () => {
  await rig?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** One host of `host add -o json`. */
interface Added {
  readonly added: boolean;
  readonly release: string;
  readonly before: string | null;
  readonly sentBytes: number;
  readonly changes: readonly string[];
  readonly findings: readonly { readonly part: string; readonly state: string }[];
  readonly error?: { readonly code: string; readonly message: string };
}

async function addAgain(installation = INSTALLATION): Promise<Added> {
  const options: HostAddOptions = { output: "json", timeout: PATIENCE_MS };
  const env = { PATH: rig.path, HOME: folder };
  const { stdout, stderr } = await recorded({ cwd: folder, env }, (terminal) => hostAdd(terminal, ["ssh://alpha"], options, installation));
  const [added] = JSON.parse(stdout) as [Added];
  expect(added.error, stderr).toBeUndefined();
  return added;
}

/** One property of a unit. */
async function property(unit: string, name: string): Promise<string> {
  return (await host.exec(["systemctl", "show", `--property=${name}`, "--value", unit])).stdout.trim();
}

test(
  "one command makes a fresh Debian with Docker a host of a pool",
  async () => {
    const command = [join(INSTALLATION, "reconciler/setpoint"), "host", "add", "ssh://alpha", "--zone", "lab", "--timeout", "15m"];
    const { stdout } = await run(command, { env: { PATH: rig.path, HOME: folder }, deadlineMs: PATIENCE_MS });
    expect(stdout).toMatch(/^alpha: setpoint \S+ \([0-9a-f]{16}\): \S+Mi copied, release switched, .*agent started$/m);
    // It has all but what nobody gave it yet.
    expect(stdout).toMatch(/^secrets +advice /m);
    expect(stdout).not.toMatch(/^(tc|lvm|ssh) /m);
    expect(await property("setpoint-agent", "ActiveState")).toBe("active");
    expect(await property("setpoint-agent", "UnitFileState")).toBe("enabled");
    const line = stdout.split("\n").find((text) => text.includes("- {"))!;
    expect(line).toMatch(/name: alpha, agent: ssh:\/\/alpha, zone: lab, .*os: debian-12.*cpu: 1, memory: \d+Mi, disk: \d+Mi/);
    mkdirSync(join(folder, "fleet"));
    const network = "network: {cidr: 10.70.0.0/24, gateway: 10.70.0.1}\n  storage: {volumeGroup: data}";
    writeFileSync(
      join(folder, "fleet/pool.yaml"),
      `apiVersion: setpoint/v1\nkind: HostPool\nmetadata: {name: lab}\nspec:\n  ${network}\n  hosts:\n${line}\n`,
    );
    expect(await cli({ cwd: folder }, "validate", "fleet")).toMatchObject({ exitCode: 0 });
    // As a reconciler calls it: no agent, or no program of that name, would end with 1 or 127.
    await run(["ssh", "alpha", "setpoint", "agent", "dial"], { env: { PATH: rig.path }, deadlineMs: PATIENCE_MS });
  },
  PATIENCE_MS,
);

test(
  "a second call copies nothing and leaves the agent alone",
  async () => {
    const pid = await property("setpoint-agent", "MainPID");
    const { sentBytes, changes, findings } = await addAgain();
    expect({ sentBytes, changes }).toEqual({ sentBytes: 0, changes: [] });
    expect(findings.map(({ part }) => part)).toEqual(expect.arrayContaining(["docker", "ovs", "lvm"]));
    expect(await property("setpoint-agent", "MainPID")).toBe(pid);
  },
  PATIENCE_MS,
);

test(
  "an upgrade sends what changed and restarts the agent, while a container runs on",
  async () => {
    const docker = async (...args: readonly string[]): Promise<string> =>
      (await host.exec(["docker", ...args], { deadlineMs: PATIENCE_MS })).stdout.trim();
    const container = await docker("run", "--detach", "--network", "none", "rig.test/sleeper:1");
    const started = (): Promise<string> =>
      docker("inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}", container);
    const [before, pid] = [await started(), await property("setpoint-agent", "MainPID")];
    const { release, ...added } = await addAgain(newerInstallation());
    expect(added.changes).toEqual(["release", "restarted"]);
    expect(added.sentBytes).toBeLessThan(8e6);
    expect(await property("setpoint-agent", "MainPID")).not.toBe(pid);
    expect(await started()).toBe(before);
    const { stdout } = await host.exec(["ls", "/opt/setpoint/releases"]);
    expect(stdout.trim().split("\n").toSorted()).toEqual([release, added.before!].toSorted());
    expect((await host.exec(["setpoint", "--version"])).stdout.trim()).toBe("99.0.0");
  },
  PATIENCE_MS,
);

test(
  "after a reboot the agent is there before Docker starts",
  async () => {
    await host.reboot();
    expect(await property("setpoint-agent", "ActiveState")).toBe("active");
    const [agent, docker] = await Promise.all([
      property("setpoint-agent", "ActiveEnterTimestampMonotonic"),
      property("docker", "InactiveExitTimestampMonotonic"),
    ]);
    expect(Number(agent)).toBeGreaterThan(0);
    expect(Number(agent)).toBeLessThan(Number(docker));
  },
  PATIENCE_MS,
);

/** This installation with another version, and so another content. */
function newerInstallation(): string {
  const installation = join(folder, "installation");
  mkdirSync(installation);
  for (const name of ["reconciler", "schemas", "manifests-example", "node_modules"])
    symlinkSync(join(INSTALLATION, name), join(installation, name));
  const manifest = JSON.parse(readFileSync(join(INSTALLATION, "package.json"), "utf8")) as object;
  writeFileSync(join(installation, "package.json"), JSON.stringify({ ...manifest, version: "99.0.0" }));
  return installation;
}
