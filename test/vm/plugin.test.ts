import { afterAll, beforeAll, expect, test } from "vitest";
import { IMAGES } from "../hosts/rig/images.ts";
import { waitFor } from "../hosts/rig/wait.ts";
import type { VmHost } from "./rig/host.ts";
import { createVmRig, type VmRig } from "./rig/rig.ts";
import { ToldAgent } from "./told-agent.ts";

const GIB = 2 ** 30;

let rig: VmRig;
let host: VmHost;
let agent: ToldAgent;

beforeAll(async () => {
  rig = await createVmRig({ hosts: ["a"] });
  host = rig.host("a");
  agent = new ToldAgent(host);
  await sh("pvcreate -q /dev/vdb && vgcreate vg0 /dev/vdb");
  await agent.configure();
});
afterAll(async () => {
  await rig?.close();
});

async function sh(script: string): Promise<string> {
  return (await host.exec(["sh", "-c", script], { deadlineMs: 240_000 })).stdout.trim();
}

/** What a command said, whatever its exit code is. */
async function said(...argv: readonly string[]): Promise<string> {
  const { stdout, stderr } = await host.exec(argv, { anyExit: true, deadlineMs: 240_000 });
  return (stdout + stderr).trim();
}

/** A container of a person, that sleeps. */
async function run(name: string, ...options: readonly string[]): Promise<void> {
  const argv = ["docker", "run", "-d", "--name", name, "--network", "none", "--restart", "always", ...options, IMAGES.sleeper];
  await host.exec(argv, { deadlineMs: 240_000 });
}

async function volumeIsMounted(): Promise<boolean> {
  return (await sh("grep -c ' /var/lib/setpoint/volumes/_docker/_docker/0/pg ' /proc/self/mountinfo || true")) !== "0";
}

test("a plain docker run has a logical volume, limited hard, which Sets do not see but for the room it takes", async () => {
  const before = (await agent.observe()).capacity.diskBytes;
  expect(await said("docker", "volume", "create", "-d", "setpoint-lvm", "pg")).toContain("say how large the volume is to be: -o size=10Gi");
  await host.docker("volume", "create", "-d", "setpoint-lvm", "-o", "size=512Mi", "-o", "filesystem=xfs", "pg");
  await run("one", "-v", "pg:/data");
  await run("two", "-v", "pg:/data", "-v", "other:/other", "--volume-driver", "local");
  await host.docker("exec", "one", "sh", "-c", "echo bytes > /data/file");
  expect(await host.docker("exec", "two", "cat", "/data/file")).toBe("bytes");
  const full = await said("docker", "exec", "one", "sh", "-c", "dd if=/dev/zero of=/data/fill bs=1M; stat -c %s /data/fill; rm /data/fill");
  expect(full).toContain("No space left on device");
  const written = Number(full.split("\n").at(-1));
  expect(written).toBeGreaterThan(0.8 * (GIB / 2));
  expect(written).toBeLessThan(GIB / 2);
  const seen = await waitFor(
    "the group to be looked at",
    async () => {
      const observation = await agent.observe();
      return observation.capacity.diskBytes < before ? observation : null;
    },
    { everyMs: 2_000, deadlineMs: 180_000 },
  );
  expect(seen.volumes).toEqual([]);
  expect(before - seen.capacity.diskBytes).toBe(GIB / 2);
});

test("it is unmounted with its last container, also when the agent was killed meanwhile", async () => {
  await host.docker("rm", "-f", "two");
  expect(await volumeIsMounted()).toBe(true);
  await sh("systemctl kill -s KILL setpoint-agent");
  await agent.isBack();
  await host.docker("stop", "-t", "1", "one");
  expect(await volumeIsMounted()).toBe(false);
  await host.docker("start", "one");
  expect(await host.docker("exec", "one", "cat", "/data/file")).toBe("bytes");
});

test("after a power cut the container is up again, with its data", async () => {
  await sh("sync");
  await host.powerCut();
  await host.boot();
  await agent.isBack();
  await waitFor("the container to be up", async () => (await said("docker", "exec", "one", "cat", "/data/file")) === "bytes" || null, {
    everyMs: 2_000,
    deadlineMs: 180_000,
  });
});

test("docker volume rm is a way into the trash; from there it comes back, or is destroyed when asked", async () => {
  expect(await said("docker", "volume", "rm", "pg")).toContain("volume is in use");
  await host.docker("rm", "-f", "one");
  await host.docker("volume", "rm", "pg");
  const [entry] = (await agent.observe()).trash;
  expect(entry).toMatchObject({ set: "_docker", index: 0, name: "pg", kind: "lvm", sizeBytes: GIB / 2 });
  await host.docker("volume", "create", "-d", "setpoint-lvm", "-o", `restore=${entry!.id}`, "back");
  expect(
    await host.docker("run", "--rm", "--network", "none", "-v", "back:/data", "--entrypoint", "cat", IMAGES.sleeper, "/data/file"),
  ).toBe("bytes");
  await host.docker("volume", "rm", "back");
  const [again] = (await agent.observe()).trash;
  const { id: trashId, trashedAtMs } = again!;
  expect(await agent.told("purgeVolume", { trashId, trashedAtMs }, { set: "_docker" })).toBe("done");
  expect(await sh("lvs --noheadings -o lv_name vg0")).toBe("");
});
