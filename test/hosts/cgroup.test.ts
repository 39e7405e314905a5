import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createCgroups } from "../../reconciler/agent/cgroup/cgroups.ts";
import { writeControl } from "../../reconciler/agent/cgroup/control-file.ts";
import { type CgroupLocator, createCgroupLocator } from "../../reconciler/agent/cgroup/locate.ts";
import type { Cgroups } from "../../reconciler/agent/ports.ts";
import { ContainerReader } from "../../reconciler/agent/sampler/container-reader.ts";
import type { ContainerLimits } from "../../reconciler/core/desired.ts";
import { NO_LIMITS } from "../agent/cgroup/tree.ts";
import { conforms } from "./measure/conforms.ts";
import { measureIoThrottle, measureMemoryLimit, readCounters } from "./measure/container.ts";
import { makeOwnCgroups, type OwnCgroups } from "./measure/own-cgroups.ts";

const MIB = 1024 * 1024;
const signal = AbortSignal.timeout(280_000);

let folder: string;
let own: OwnCgroups;
let cgroups: Cgroups;
let locator: CgroupLocator;
let started: ChildProcess[];

beforeAll(() => void (folder = mkdtempSync("/var/tmp/setpoint-cgroup-")));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  own = makeOwnCgroups();
  locator = createCgroupLocator({ parents: [own.parent] });
  cgroups = createCgroups({ dataRoot: folder, parents: [own.parent] });
  started = [];
});
afterEach(async () => {
  for (const child of started) child.kill("SIGKILL");
  await own.remove();
});

/** Runs a program in the cgroups from its first instruction. */
function run(argv: readonly string[], where = own): ChildProcess {
  const child = spawn("sh", ["-c", 'read go; exec "$@"', "sh", ...argv], { stdio: ["pipe", "ignore", "ignore"] });
  where.add(child.pid!);
  child.stdin!.on("error", () => {});
  child.stdin!.end("go\n");
  started.push(child);
  return child;
}

function apply(limits: Partial<ContainerLimits>, cpus: string | null = null, pid = 0): Promise<void> {
  return cgroups.apply({ id: own.id, pid }, { ...NO_LIMITS, ...limits }, cpus, signal);
}

/** A program that holds this much memory. */
async function hold(mebibytes: number): Promise<void> {
  // In place: a string that is made and then copied takes twice as much.
  run(["perl", "-e", `vec(my $held, (${mebibytes} << 20) - 1, 8) = 1; sleep 600`]);
  for (let waited = 0; readCounters(locator, { id: own.id, pid: 0 }).memoryBytes < mebibytes * MIB; waited++) {
    if (waited > 200) throw new Error("the program does not hold its memory");
    await sleep(50);
  }
}

describe("memory", () => {
  const limitsNow = (): (string | null)[] => {
    const memory = locator.locate({ id: own.id, pid: 0 })("memory")!;
    const names = memory.version === 1 ? ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"] : ["memory.max", "memory.swap.max"];
    return names.map((name) => (existsSync(join(memory.path, name)) ? readFileSync(join(memory.path, name), "latin1").trim() : null));
  };

  test("memory and swap grow and shrink together, in any order, and again", async () => {
    const unlimited = limitsNow();
    for (const [memory, swap] of [
      [64, 64],
      [128, 0],
      [32, 256],
      [32, 256],
      [256, 16],
      [16, 0],
    ] as const) {
      await apply({ memoryLimitBytes: memory * MIB, swapBytes: swap * MIB });
      const [both, swapOnly] = [String((memory + swap) * MIB), String(swap * MIB)];
      expect(limitsNow()[0]).toBe(String(memory * MIB));
      expect([both, swapOnly, null]).toContain(limitsNow()[1]);
    }
    await apply({});
    expect(limitsNow()).toEqual(unlimited);
  });

  test("a limit below present use is refused, and what runs is not killed", async () => {
    await apply({ memoryLimitBytes: 128 * MIB });
    await hold(48);
    await expect(apply({ memoryLimitBytes: 32 * MIB })).rejects.toMatchObject({ code: "below-use", outcome: "refused" });
    expect(limitsNow()[0]).toBe(String(128 * MIB));
    await apply({ memoryLimitBytes: 96 * MIB });
    expect(started[0]!.exitCode ?? started[0]!.signalCode).toBeNull();
  });

  test("only the one that wants too much is killed", async () => {
    const neighbour = makeOwnCgroups(own.parent);
    try {
      const other = run(["sleep", "600"], neighbour);
      await apply({ memoryLimitBytes: 48 * MIB });
      const [, killedBy] = (await once(run(["tail", "/dev/zero"]), "exit")) as [number | null, string | null];
      expect(killedBy).toBe("SIGKILL");
      const owners = { hog: { id: own.id, pid: 0 }, neighbour: { id: neighbour.id, pid: 0 } };
      const { peak, killed } = measureMemoryLimit(locator, owners, "hog", 48 * MIB);
      expect(killed).toEqual(["hog"]);
      expect(peak.measured).toBeLessThanOrEqual(48 * MIB);
      expect(peak.errorPercent).toBeGreaterThan(-5);
      expect(other.exitCode ?? other.signalCode).toBeNull();
      other.kill("SIGKILL");
    } finally {
      await neighbour.remove();
    }
  });
});

describe("cpu", () => {
  test("programs run on the CPUs of the host's settings, and on all again", async () => {
    const allowed = (): string => /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/${started[0]!.pid}/status`, "latin1"))![1]!;
    run(["sleep", "600"]);
    const all = allowed();
    await apply({}, "0");
    expect(allowed()).toBe("0");
    await apply({});
    expect(allowed()).toBe(all);
    await expect(apply({}, "4000")).rejects.toMatchObject({ code: "limit-refused", retry: "permanent" });
  });
});

describe("io", () => {
  test("the capability is there just where a direct write is held back", async () => {
    const { version, mount } = locator.hierarchies.get("io")!;
    const inKernel = existsSync(
      join(locator.locate({ id: own.id, pid: 0 })("io")!.path, version === 1 ? "blkio.throttle.write_bps_device" : "io.max"),
    );
    const onDisk = statSync(folder).dev > 255;
    expect(cgroups.capabilities()).toEqual(inKernel && onDisk ? ["cgroup"] : []);
    expect(existsSync(mount.point)).toBe(true);
    const limits = { writeBps: 2 * MIB, readIops: 100, ioWeight: 300 };
    if (cgroups.capabilities().length === 0) return await expect(apply(limits)).rejects.toMatchObject({ code: "no-capability" });
    // Before anything is written: a fast disk would have it all before the limit.
    await apply(limits, null, run(["sleep", "600"]).pid!);
    const writer = run(["dd", "if=/dev/zero", `of=${join(folder, "data")}`, "bs=64k", "count=1600", "oflag=direct"]);
    const written = once(writer, "exit");
    await sleep(500);
    await conforms("write throttle", async () => {
      return { figure: await measureIoThrottle(locator, { id: own.id, pid: 0 }, limits.writeBps, 3), fair: true };
    });
    await apply({ ioWeight: 300 });
    await written;
    expect(statSync(join(folder, "data")).size).toBe(1600 * 65_536);
  });
});

test("the kernel's no names file, value and reason", async () => {
  const memory = locator.locate({ id: own.id, pid: 0 })("memory")!;
  const file = join(memory.path, memory.version === 1 ? "memory.limit_in_bytes" : "memory.max");
  const message = `could not write "much" to ${file}: EINVAL (invalid argument)`;
  await expect(writeControl({ file, value: "much", holds: () => false }, signal)).rejects.toMatchObject({ code: "limit-refused", message });
});

test("after a restart all counters are of the new life; between the two there is no sample", async () => {
  const reader = new ContainerReader(locator, { id: own.id, pid: 0 });
  const buffer = Buffer.allocUnsafe(64 * 1024);
  await hold(32);
  const before = reader.read(buffer)!;
  expect(before.memoryBytes).toBeGreaterThan(32 * MIB);
  expect(before.cpuNs).toBeGreaterThan(0);
  started[0]!.kill("SIGKILL");
  await own.remove();
  expect(reader.read(buffer)).toBeNull();
  own.make();
  run(["sleep", "600"]);
  await sleep(100);
  const after = reader.read(buffer)!;
  expect(after.memoryBytes).toBeLessThan(8 * MIB);
  expect(after.cpuNs).toBeLessThan(before.cpuNs);
  reader.close();
});
