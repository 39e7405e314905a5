import type { ContainerSample } from "../../core/samples.ts";

export type Counters = Omit<ContainerSample, "name">;

/** One file that the sampler keeps open: where it is, and which counters its text gives. */
export interface CounterFile {
  readonly controller: "cpu" | "cpuacct" | "memory" | "io";
  readonly name: string;
  /** Kernels may lack it: its counters are 0 then. */
  readonly optional?: true;
  /** `stacked`: what stackedMajors says of this host. */
  readonly take: (text: string, into: MutableCounters, stacked: ReadonlySet<number>) => void;
}

export type MutableCounters = { -readonly [Key in keyof Counters]: Counters[Key] };

/** cgroup v1, one folder per controller. */
export const V1_FILES: readonly CounterFile[] = [
  { controller: "cpuacct", name: "cpuacct.usage", take: (text, into) => (into.cpuNs = Number(text)) },
  { controller: "cpu", name: "cpu.stat", take: (text, into) => (into.throttledNs = numberAfter(text, "throttled_time ")) },
  { controller: "memory", name: "memory.usage_in_bytes", take: (text, into) => (into.memoryBytes += Number(text)) },
  { controller: "memory", name: "memory.stat", take: (text, into) => (into.memoryBytes -= numberAfter(text, "total_inactive_file ")) },
  { controller: "memory", name: "memory.oom_control", take: (text, into) => (into.oomKills = numberAfter(text, "oom_kill ")) },
  {
    controller: "io",
    name: "blkio.throttle.io_service_bytes_recursive",
    optional: true,
    take: (text, into, stacked) => {
      into.readBytes = sumAfter(text, " Read ", stacked);
      into.writtenBytes = sumAfter(text, " Write ", stacked);
    },
  },
];

/** cgroup v2. */
export const V2_FILES: readonly CounterFile[] = [
  {
    controller: "cpuacct",
    name: "cpu.stat",
    take: (text, into) => {
      into.cpuNs = 1000 * numberAfter(text, "usage_usec ");
      into.throttledNs = 1000 * numberAfter(text, "throttled_usec ");
    },
  },
  { controller: "memory", name: "memory.current", take: (text, into) => (into.memoryBytes += Number(text)) },
  { controller: "memory", name: "memory.stat", take: (text, into) => (into.memoryBytes -= numberAfter(text, "inactive_file ")) },
  { controller: "memory", name: "memory.events", take: (text, into) => (into.oomKills = numberAfter(text, "oom_kill ")) },
  {
    controller: "io",
    name: "io.stat",
    optional: true,
    take: (text, into, stacked) => {
      into.readBytes = sumAfter(text, " rbytes=", stacked);
      into.writtenBytes = sumAfter(text, " wbytes=", stacked);
    },
  },
];

/** The number behind a key at the start of a line; 0 without it. */
export function numberAfter(text: string, key: string): number {
  let at = text.startsWith(key) ? 0 : text.indexOf(`\n${key}`) + 1;
  if (at === 0 && !text.startsWith(key)) return 0;
  at += key.length;
  return digitsAt(text, at);
}

/** The sum of the numbers behind a word, over all lines but those of devices with one of these majors: one line `MAJOR:MINOR …` per disk. */
export function sumAfter(text: string, word: string, without: ReadonlySet<number>): number {
  let sum = 0;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at)) {
    const major = digitsAt(text, text.lastIndexOf("\n", at) + 1);
    at += word.length;
    if (!without.has(major)) sum += digitsAt(text, at);
  }
  return sum;
}

/** Kinds of devices that lie on others: the kernel counts what goes through them once more on the disks below. */
const STACKED = ["device-mapper", "md", "mdp"];

/** Majors of such devices, from /proc/devices. */
export function stackedMajors(devices: string): ReadonlySet<number> {
  const lines = [...devices.slice(devices.indexOf("Block devices:")).matchAll(/^ *(\d+) (\S+)$/gm)];
  return new Set(lines.filter(([, , name]) => STACKED.includes(name!)).map(([, major]) => Number(major)));
}

function digitsAt(text: string, at: number): number {
  let value = 0;
  for (let end = at; end < text.length; end++) {
    const digit = text.charCodeAt(end) - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  return value;
}
