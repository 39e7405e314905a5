import { renameSync, rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createCgroupLocator } from "../../../reconciler/agent/cgroup/locate.ts";
import type { OwnedContainer, Sampler } from "../../../reconciler/agent/ports.ts";
import { createSampler } from "../../../reconciler/agent/sampler/sampler.ts";
import { ID, makeTree, PID, type Tree, v1Tree, v2Tree } from "../cgroup/tree.ts";
import { openHostUsage } from "../../../reconciler/agent/host-usage.ts";

let tree: Tree;
let sampler: Sampler;
afterEach(() => {
  sampler.close();
  tree.remove();
});

function container(change: Partial<OwnedContainer> = {}): OwnedContainer {
  const resources = { cpuMillis: 0, memoryBytes: 0, diskBytes: 0, ingressBps: 0, egressBps: 0 };
  return {
    set: "web",
    index: 0,
    generation: 1,
    id: ID,
    role: "app",
    container: "app",
    state: "running",
    exitCode: null,
    oomKilled: false,
    stranded: false,
    wiredByAgent: false,
    pid: PID,
    startedAtMs: 0,
    hash: "h",
    labels: {
      specHash: "s",
      infraHash: "i",
      taskId: "t",
      ip: "10.0.0.2",
      exclusive: false,
      priority: "normal",
      hostPorts: [],
      resources,
      image: "app:1",
    },
    ...change,
  };
}

/** Adds the counters of one container's v1 cgroups. */
function writeV1(id: string, cpuNs: number): void {
  tree.write(`cg/cpuacct/docker/${id}/cpuacct.usage`, `${cpuNs}\n`);
  tree.write(`cg/cpu/docker/${id}/cpu.stat`, "nr_periods 9\nnr_throttled 2\nthrottled_time 700\nwait_sum 1\n");
  tree.write(`cg/memory/docker/${id}/memory.usage_in_bytes`, "50000000\n");
  tree.write(`cg/memory/docker/${id}/memory.stat`, "cache 30000000\ninactive_file 1\ntotal_inactive_file 20000000\ntotal_x 4\n");
  tree.write(`cg/memory/docker/${id}/memory.oom_control`, "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
  const io = "8:0 Read 100\n8:0 Write 20\n8:0 Total 120\n253:3 Read 5\n253:3 Write 6\n253:3 Total 11\nTotal 131\n";
  tree.write(`cg/blkio/docker/${id}/blkio.throttle.io_service_bytes_recursive`, io);
}

const COUNTERS = { throttledNs: 700, memoryBytes: 30_000_000, oomKills: 3, readBytes: 105, writtenBytes: 26 };

describe("cgroup v1", () => {
  beforeEach(() => {
    tree = v1Tree();
    writeV1(ID, 1_000);
    sampler = createSampler(createCgroupLocator({ proc: tree.proc }));
  });

  test("reads every counter, again and again", () => {
    sampler.follow([container()]);
    const sample = (cpuNs: number): unknown => [{ set: "web", index: 0, generation: 1, containers: [{ name: "app", cpuNs, ...COUNTERS }] }];
    expect(sampler.read()).toEqual(sample(1_000));
    writeV1(ID, 2_000);
    expect(sampler.read()).toEqual(sample(2_000));
  });

  test("groups by Instance in order, without infra and without what does not run", () => {
    const ids = ["1", "2", "3", "4"].map((digit) => digit.repeat(64));
    for (const id of ids) writeV1(id, 7);
    const [a, b, c, d] = ids as [string, string, string, string];
    sampler.follow([
      container({ id: a, pid: 0, index: 10 }),
      container({ id: b, pid: 0, index: 2, container: "side" }),
      container({ id: c, pid: 0, index: 2 }),
      container({ id: d, pid: 0, index: 2, role: "infra", container: "infra" }),
      container({ pid: 0, index: 3, state: "exited" }),
    ]);
    expect(sampler.read().map(({ index, containers }) => [index, containers.map(({ name }) => name)])).toEqual([
      [2, ["app", "side"]],
      [10, ["app"]],
    ]);
  });

  test("a container that is gone leaves its Instance, and is read again when it is back", () => {
    sampler.follow([container()]);
    expect(sampler.read()[0]!.containers).toHaveLength(1);
    // Descriptors of plain files stay readable, those of a removed cgroup do not: the follower opens anew for another process.
    renameSync(tree.path("cg/cpuacct/docker"), tree.path("cg/cpuacct/away"));
    sampler.follow([container({ pid: PID + 1 })]);
    expect(sampler.read()).toEqual([{ set: "web", index: 0, generation: 1, containers: [] }]);
    renameSync(tree.path("cg/cpuacct/away"), tree.path("cg/cpuacct/docker"));
    expect(sampler.read()[0]!.containers).toHaveLength(1);
  });

  test("a kernel that does not count io says 0", () => {
    rmSync(tree.path(`cg/blkio/docker/${ID}/blkio.throttle.io_service_bytes_recursive`));
    sampler.follow([container()]);
    expect(sampler.read()[0]!.containers[0]).toMatchObject({ cpuNs: 1_000, readBytes: 0, writtenBytes: 0 });
  });
});

test("cgroup v2: reads every counter", () => {
  tree = v2Tree();
  const folder = `cg/system.slice/docker-${ID}.scope`;
  tree.write(`${folder}/cpu.stat`, "usage_usec 12\nuser_usec 4\nsystem_usec 8\nnr_throttled 1\nthrottled_usec 5\n");
  tree.write(`${folder}/memory.events`, "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n");
  tree.write(
    `${folder}/io.stat`,
    "8:0 rbytes=100 wbytes=20 rios=1 wios=2 dbytes=9 dios=0\n259:3 rbytes=5 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n" +
      "253:1 rbytes=100 wbytes=20 rios=1 wios=2 dbytes=9 dios=0\n",
  );
  // What goes to a logical volume goes to the disk below it.
  tree.write("proc/devices", "Character devices:\n  8 st\n\nBlock devices:\n  8 sd\n253 device-mapper\n259 blkext\n");
  sampler = createSampler(createCgroupLocator({ proc: tree.proc }));
  sampler.follow([container()]);
  const counters = { cpuNs: 12_000, throttledNs: 5_000, memoryBytes: 30_000_000, oomKills: 1, readBytes: 105, writtenBytes: 26 };
  expect(sampler.read()[0]!.containers).toEqual([{ name: "app", ...counters }]);
});

test("host usage: neither idle, waiting nor stolen time; memory that a new program could not have", () => {
  tree = makeTree({
    "proc/stat": "cpu  100 20 30 9000 400 5 6 7000 50 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 5\n",
    "proc/meminfo": "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\n",
    "proc/loadavg": "1.25 0.50 0.10 2/345 6789\n",
  });
  sampler = { follow: () => {}, read: () => [], close: () => {} };
  const usage = openHostUsage(tree.proc);
  const expected = { cpuNs: 1_610_000_000, memoryUsedBytes: 409_600, memoryTotalBytes: 1_024_000, load: 1.25 };
  expect(usage.read()).toEqual(expected);
  tree.write("proc/loadavg", "0.75 0.50 0.10 2/345 6789\n");
  expect(usage.read()).toEqual({ ...expected, load: 0.75 });
  usage.close();
});
