import { mkdirSync, rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createCgroups } from "../../../reconciler/agent/cgroup/cgroups.ts";
import { disksOfMounts } from "../../../reconciler/agent/cgroup/disks.ts";
import { parseMounts } from "../../../reconciler/agent/cgroup/mounts.ts";
import type { ContainerLimits } from "../../../reconciler/core/desired.ts";
import { ID, NO_LIMITS, PID, type Tree, v1Tree, v2Tree } from "./tree.ts";

let tree: Tree;

interface Request {
  readonly limits?: Partial<ContainerLimits>;
  readonly cpus?: string | null;
  readonly pid?: number;
}

/** Applies to the tree's container. */
async function apply({ limits = {}, cpus = null, pid = PID }: Request): Promise<void> {
  const cgroups = createCgroups({ dataRoot: tree.path("docker-data"), proc: tree.proc, sys: tree.sys });
  await cgroups.apply({ id: ID, pid }, { ...NO_LIMITS, ...limits }, cpus, AbortSignal.timeout(5_000));
}

describe("cgroup v1", () => {
  const memory = (file: string): string => `cg/memory/docker/${ID}/memory.${file}`;
  const throttle = (file: string): string => `cg/blkio/docker/${ID}/blkio.throttle.${file}_device`;

  beforeEach(() => void (tree = v1Tree()));
  afterEach(() => tree.remove());

  test("sets memory, and memory with swap", async () => {
    await apply({ limits: { memoryLimitBytes: 64_000_000, swapBytes: 8_000_000 } });
    expect([tree.read(memory("limit_in_bytes")), tree.read(memory("memsw.limit_in_bytes"))]).toEqual(["64000000", "72000000"]);
    await apply({});
    expect([tree.read(memory("limit_in_bytes")), tree.read(memory("memsw.limit_in_bytes"))]).toEqual(["-1", "-1"]);
  });

  test("takes a limit rounded to pages for the one asked", async () => {
    tree.write(memory("limit_in_bytes"), "63999000\n");
    tree.write(memory("memsw.limit_in_bytes"), "63999000\n");
    await apply({ limits: { memoryLimitBytes: 64_000_000 } });
    expect(tree.read(memory("limit_in_bytes"))).toBe("63999000\n");
  });

  test("refuses memory below present use, without what the kernel gives up first", async () => {
    await apply({ limits: { memoryLimitBytes: 30_000_000 } });
    await expect(apply({ limits: { memoryLimitBytes: 29_999_999 } })).rejects.toMatchObject({
      code: "below-use",
      outcome: "refused",
      retry: "transient",
      message: "30000000 bytes of memory are in use, the new limit is 29999999",
    });
    expect(tree.read(memory("limit_in_bytes"))).toBe("30000000");
  });

  test("sets io limits on the whole disk below a partition, and takes them away", async () => {
    await apply({ limits: { writeBps: 1_048_576, readIops: 50, ioWeight: 700 } });
    expect(tree.read(throttle("write_bps"))).toBe("8:0 1048576");
    expect(tree.read(throttle("read_iops"))).toBe("8:0 50");
    expect(tree.read(throttle("read_bps"))).toBe("");
    expect(tree.read(`cg/blkio/docker/${ID}/blkio.bfq.weight`)).toBe("700");
    await apply({});
    expect([tree.read(throttle("write_bps")), tree.read(throttle("read_iops"))]).toEqual(["8:0 0", "8:0 0"]);
    expect(tree.read(`cg/blkio/docker/${ID}/blkio.bfq.weight`)).toBe("100");
  });

  test("takes the limit from a disk that is no longer the container's", async () => {
    tree.write(throttle("write_bps"), "8:0 5000000\n253:3 7\n");
    await apply({ limits: { writeBps: 5_000_000 } });
    // A plain file keeps only the last line that is written.
    expect(tree.read(throttle("write_bps"))).toBe("253:3 0");
  });

  test("a volume on a disk of its own counts, once", () => {
    const volume = "702 700 253:3 / /data rw - ext4 /dev/mapper/vg-data rw\n703 700 0:61 / /dev/shm rw - tmpfs shm rw\n";
    const mounts = parseMounts(tree.read(`proc/${PID}/mountinfo`) + volume + volume.replace("/data", "/a\\040b"));
    expect(mounts.map(({ point }) => point)).toContain("/a b");
    expect(disksOfMounts(mounts, tree.sys)).toEqual(["253:3", "8:0"]);
  });

  test("sets CPUs and gives back all of the parent's", async () => {
    await apply({ cpus: "1-2" });
    expect(tree.read(`cg/cpuset/docker/${ID}/cpuset.cpus`)).toBe("1-2");
    await apply({ cpus: null });
    expect(tree.read(`cg/cpuset/docker/${ID}/cpuset.cpus`)).toBe("0-3");
  });

  test.each([
    ["2-5", "CPU 4, 5 is not there to use; there are 0-3"],
    ["a-b", '"a-b" is no list of CPUs such as 2-9,12'],
  ])("refuses CPUs %s", async (cpus, message) => {
    await expect(apply({ cpus })).rejects.toMatchObject({ code: "limit-refused", retry: "permanent", message });
  });

  test("finds the cgroup below Docker's parent when the process is not known, or is somebody else's", async () => {
    await apply({ pid: 0, cpus: "1" });
    expect(tree.read(`cg/cpuset/docker/${ID}/cpuset.cpus`)).toBe("1");
    tree.write(`proc/${PID}/cgroup`, "3:cpuset:/user/someone\n");
    tree.write("cg/cpuset/user/someone/cpuset.cpus", "0-3\n");
    await apply({ cpus: "2" });
    expect(tree.read(`cg/cpuset/docker/${ID}/cpuset.cpus`)).toBe("2");
    expect(tree.read("cg/cpuset/user/someone/cpuset.cpus")).toBe("0-3\n");
  });

  test("paths count from the root of the mount and of the reader's namespace", async () => {
    const shifted = tree.read("proc/self/mountinfo").replace(/0:42 \/ /, "0:42 /../docker ");
    tree.write("proc/self/mountinfo", shifted);
    tree.write(`proc/${PID}/cgroup`, tree.read(`proc/${PID}/cgroup`).replace("cpuset:/docker", "cpuset:/../docker"));
    tree.write(`cg/cpuset/${ID}/cpuset.cpus`, "0-3\n");
    await apply({ cpus: "3" });
    expect(tree.read(`cg/cpuset/${ID}/cpuset.cpus`)).toBe("3");
  });

  test("a container without a cgroup is not found", async () => {
    const cgroups = createCgroups({ dataRoot: tree.path("docker-data"), proc: tree.proc, sys: tree.sys });
    const applied = cgroups.apply({ id: "c".repeat(64), pid: 0 }, NO_LIMITS, null, AbortSignal.timeout(5_000));
    await expect(applied).rejects.toMatchObject({
      code: "not-found",
      message: "container cccccccccccc has no cpuset cgroup: it does not run",
    });
  });

  test("io limits need a disk", async () => {
    tree.write("proc/self/mountinfo", tree.read("proc/self/mountinfo").replace("8:1 / / rw - ext4 /dev/sda1", "0:9 / / rw - tmpfs tmpfs"));
    const message = `io limits can't be set: there is no disk below ${tree.path("docker-data")}`;
    await expect(apply({ limits: { readBps: 1 }, pid: 0 })).rejects.toMatchObject({ code: "no-capability", message });
  });

  test("names the file and the kernel's words", async () => {
    const file = tree.path(memory("limit_in_bytes"));
    rmSync(file);
    mkdirSync(file);
    const message = `could not read ${file}: EISDIR (illegal operation on a directory)`;
    await expect(apply({})).rejects.toMatchObject({ code: "limit-refused", outcome: "failed", message });
  });

  test("a plain folder is no kernel that limits io", () => {
    const cgroups = createCgroups({ dataRoot: tree.path("docker-data"), proc: tree.proc, sys: tree.sys });
    expect(cgroups.capabilities()).toEqual([]);
  });
});

describe("cgroup v2", () => {
  const file = (name: string): string => `cg/system.slice/docker-${ID}.scope/${name}`;

  beforeEach(() => void (tree = v2Tree()));
  afterEach(() => tree.remove());

  test("sets everything in the container's own cgroup, not in those below it", async () => {
    await apply({ cpus: "0,2", limits: { memoryLimitBytes: 40_000_000, swapBytes: 1_000_000, writeBps: 9, writeIops: 3, ioWeight: 1000 } });
    expect(tree.read(file("cpuset.cpus"))).toBe("0,2");
    expect([tree.read(file("memory.max")), tree.read(file("memory.swap.max"))]).toEqual(["40000000", "1000000"]);
    expect(tree.read(file("io.max"))).toBe("8:0 rbps=max wbps=9 riops=max wiops=3");
    expect(tree.read(file("io.weight"))).toBe("10000");
    await apply({});
    expect(tree.read(file("cpuset.cpus"))).toBe("\n");
    expect([tree.read(file("memory.max")), tree.read(file("memory.swap.max"))]).toEqual(["max", "max"]);
    expect(tree.read(file("io.max"))).toBe("8:0 rbps=max wbps=max riops=max wiops=max");
  });

  test("refuses memory below present use, where the kernel would kill", async () => {
    await expect(apply({ limits: { memoryLimitBytes: 29_000_000 } })).rejects.toMatchObject({ code: "below-use" });
    expect(tree.read(file("memory.max"))).toBe("max\n");
  });

  test("without limits, a cgroup that has none of the files is left as it is", async () => {
    for (const name of ["cpuset.cpus", "io.max", "io.weight", "memory.swap.max"]) rmSync(tree.path(file(name)));
    await apply({ limits: { memoryLimitBytes: 40_000_000 } });
    expect(tree.read(file("memory.max"))).toBe("40000000");
    await expect(apply({ cpus: "1" })).rejects.toMatchObject({
      code: "limit-refused",
      message: expect.stringContaining("cpuset.cpus: ENOENT"),
    });
  });
});
