import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ContainerLimits } from "../../../reconciler/core/desired.ts";

/** A folder with the files of /proc, /sys and /sys/fs/cgroup that a test needs. */
export interface Tree {
  readonly root: string;
  readonly proc: string;
  readonly sys: string;
  /** Path below the tree. */
  path(name: string): string;
  write(name: string, text: string): void;
  read(name: string): string;
  remove(): void;
}

export const ID = "ab".repeat(32);
export const PID = 4711;

/** One disk 8:0 with partition 8:1 below the data root; a logical volume 253:3. */
export function makeTree(files: Readonly<Record<string, string>>): Tree {
  const root = mkdtempSync(join(tmpdir(), "setpoint-cgroup-"));
  const path = (name: string): string => join(root, name);
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), text);
  };
  mkdirSync(path("docker-data"));
  write("sys/devices/disk/dev", "8:0\n");
  write("sys/devices/disk/part/dev", "8:1\n");
  write("sys/devices/disk/part/partition", "1\n");
  write("sys/devices/dm/dev", "253:3\n");
  mkdirSync(path("sys/dev/block"), { recursive: true });
  symlinkSync("../../devices/disk", path("sys/dev/block/8:0"));
  symlinkSync("../../devices/disk/part", path("sys/dev/block/8:1"));
  symlinkSync("../../devices/dm", path("sys/dev/block/253:3"));
  for (const [name, text] of Object.entries(files)) write(name, text.replaceAll("@", root));
  return {
    root,
    proc: path("proc"),
    sys: path("sys"),
    path,
    write,
    read: (name) => readFileSync(path(name), "utf8"),
    remove: () => rmSync(root, { recursive: true }),
  };
}

const CONTAINER_MOUNTS = "700 600 0:50 / / rw - overlay overlay rw\n701 700 8:1 /c/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n";

/** A host with one v1 hierarchy per controller and one container without limits. */
export function v1Tree(): Tree {
  const controllers = ["cpu", "cpuacct", "cpuset", "memory", "blkio"];
  const mounts = controllers.map((name, at) => `${40 + at} 30 0:${40 + at} / @/cg/${name} rw - cgroup cgroup rw,${name}\n`);
  const unlimited = "9223372036854771712\n";
  return makeTree({
    "proc/self/mountinfo": `20 1 8:1 / / rw - ext4 /dev/sda1 rw\n${mounts.join("")}`,
    [`proc/${PID}/cgroup`]: controllers.map((name, at) => `${at + 1}:${name}:/docker/${ID}\n`).join(""),
    [`proc/${PID}/mountinfo`]: CONTAINER_MOUNTS,
    ...Object.fromEntries(controllers.map((name) => [`cg/${name}/cgroup.procs`, ""])),
    "cg/cpuset/docker/cpuset.cpus": "0-3\n",
    "cg/cpuset/docker/cpuset.effective_cpus": "0-3\n",
    [`cg/cpuset/docker/${ID}/cpuset.cpus`]: "0-3\n",
    [`cg/memory/docker/${ID}/memory.limit_in_bytes`]: unlimited,
    [`cg/memory/docker/${ID}/memory.memsw.limit_in_bytes`]: unlimited,
    [`cg/memory/docker/${ID}/memory.usage_in_bytes`]: "50000000\n",
    [`cg/memory/docker/${ID}/memory.stat`]: "cache 30000000\ninactive_file 1\ntotal_inactive_file 20000000\n",
    [`cg/blkio/docker/${ID}/blkio.bfq.weight`]: "100\n",
    ...Object.fromEntries(
      ["read_bps", "write_bps", "read_iops", "write_iops"].map((name) => [`cg/blkio/docker/${ID}/blkio.throttle.${name}_device`, ""]),
    ),
  });
}

/** The same with one v2 hierarchy and systemd's names. */
export function v2Tree(): Tree {
  const folder = `cg/system.slice/docker-${ID}.scope`;
  return makeTree({
    "proc/self/mountinfo": "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 30 0:40 / @/cg rw - cgroup2 cgroup2 rw\n",
    [`proc/${PID}/cgroup`]: `0::/system.slice/docker-${ID}.scope/init.scope\n`,
    [`proc/${PID}/mountinfo`]: CONTAINER_MOUNTS,
    "cg/cgroup.procs": "",
    "cg/cgroup.controllers": "cpuset cpu io memory pids\n",
    "cg/system.slice/cpuset.cpus.effective": "0-3\n",
    [`${folder}/cpuset.cpus`]: "\n",
    [`${folder}/memory.max`]: "max\n",
    [`${folder}/memory.swap.max`]: "max\n",
    [`${folder}/memory.current`]: "50000000\n",
    [`${folder}/memory.stat`]: "anon 30000000\ninactive_file 20000000\n",
    [`${folder}/io.max`]: "",
    [`${folder}/io.weight`]: "default 100\n",
  });
}

export const NO_LIMITS: ContainerLimits = {
  cpuRequestMillis: 100,
  cpuLimitMillis: null,
  memoryRequestBytes: 1_000_000,
  memoryLimitBytes: null,
  swapBytes: 0,
  ioWeight: null,
  readBps: null,
  writeBps: null,
  readIops: null,
  writeIops: null,
};
