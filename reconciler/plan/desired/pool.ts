import type { Cidr } from "../../core/addresses.ts";
import type { DesiredHost, DesiredPool } from "../../core/desired.ts";
import { expandHostRange } from "../../core/host-range.ts";
import type * as written from "../../core/manifest-types.ts";
import type { Loaded, ManifestProblem } from "../../core/manifests.ts";
import { sortedRecord, sortedUnique } from "../../core/order.ts";
import type { Resources } from "../../core/resources.ts";
import { formatBytes, formatDuration } from "../../core/units.ts";
import { checkHostNetwork, readNetwork } from "./network.ts";
import { readStorage } from "./storage.ts";
import { readIsolation, type Isolation } from "./isolation.ts";
import { checkSharedAgents, readAddresses, readAgents } from "./agents.ts";
import { createReport, readOptional, readQuantity } from "./report.ts";
import type { Path, Report } from "./report.ts";

type Spec = written.HostPool["spec"];

/** A lease shorter than this many suspicions would stop Instances at every hiccup of the network. */
const LEAST_LEASE_IN_SUSPICIONS = 3;

export interface ReadPool {
  readonly loaded: Loaded<written.HostPool>;
  readonly pool: DesiredPool;
  /** In the order written. */
  readonly hosts: readonly DesiredHost[];
  /** One host per written entry, which stands for all equal ones. */
  readonly kinds: readonly DesiredHost[];
  /** Index into spec.hosts, by host name. */
  readonly entries: ReadonlyMap<string, number>;
  /** null when the network is malformed. */
  readonly cidr: Cidr | null;
  readonly leasable: number;
  /** Sorted. */
  readonly zones: readonly string[];
  readonly problems: readonly ManifestProblem[];
}

/** A pool and its hosts in canonical form, and what is wrong with them by themselves. */
export function readPool(loaded: Loaded<written.HostPool>): ReadPool {
  const { metadata, spec } = loaded.manifest;
  const report = createReport(loaded);
  const network = readNetwork(spec, report);
  const isolation = readIsolation(spec.cpu?.isolation ?? {}, report);
  const pool: DesiredPool = {
    name: metadata.name,
    network: network.desired,
    storage: readStorage(spec.storage ?? {}, report),
    cpuOvercommit: spec.cpu?.overcommit ?? 1,
    isolation: isolation.lists,
    memoryReserveBytes: readQuantity(report, ["spec", "memory", "reserve"], "bytes", spec.memory?.reserve ?? 0),
    watermark: readQuantity(report, ["spec", "watermark"], "percent", spec.watermark ?? "80%"),
    failure: readFailure(spec.failure ?? {}, report),
    budget: { percent: spec.budget?.percent ?? 10, count: spec.budget?.count ?? 20 },
    limits: spec.limits ?? "required",
    source: loaded.position,
  };
  const { hosts, kinds, entries } = readHosts(spec.hosts, { pool, isolation, report });
  checkSharedAgents(hosts, entries, report);
  checkHostNetwork(pool, hosts, entries, report);
  const zones = sortedUnique(kinds.map((host) => host.zone));
  return { loaded, pool, hosts, kinds, entries, cidr: network.cidr, leasable: network.leasable, zones, problems: report.problems };
}

function readFailure(failure: NonNullable<Spec["failure"]>, report: Report): DesiredPool["failure"] {
  const path = ["spec", "failure"];
  const suspectAfterMs = readQuantity(report, [...path, "suspectAfter"], "duration", failure.suspectAfter ?? "10s");
  const lostAfterMs = readQuantity(report, [...path, "lostAfter"], "duration", failure.lostAfter ?? "60s");
  const brake = readQuantity(report, [...path, "brake"], "percent", failure.brake ?? "30%");
  const leaseForMs = readOptional(report, [...path, "leaseFor"], "duration", failure.leaseFor);
  const suspect = formatDuration(suspectAfterMs);
  if (suspectAfterMs === 0) {
    const message = "failure.suspectAfter is 0: every host would be suspect between two heartbeats.";
    report.error("failure-times", [...path, "suspectAfter"], message, "Use some seconds, such as 10s.");
  } else if (lostAfterMs <= suspectAfterMs) {
    const message = `failure.lostAfter ${formatDuration(lostAfterMs)} must be longer than failure.suspectAfter ${suspect}: a host is suspect before it is lost.`;
    report.error("failure-times", [...path, "lostAfter"], message, "Raise lostAfter or lower suspectAfter.");
  }
  const least = LEAST_LEASE_IN_SUSPICIONS * suspectAfterMs;
  if (leaseForMs !== null && leaseForMs < least) {
    const message = `failure.leaseFor ${formatDuration(leaseForMs)} is too short: with suspectAfter ${suspect} it must be at least ${formatDuration(least)}, or a short network fault stops Instances.`;
    report.error("failure-times", [...path, "leaseFor"], message, "Raise leaseFor or lower suspectAfter.");
  }
  return { suspectAfterMs, lostAfterMs, brake, leaseForMs };
}

/** What an entry of spec.hosts is read with. */
interface HostContext {
  readonly pool: DesiredPool;
  readonly isolation: Isolation;
  readonly report: Report;
}

function readHosts(entries: readonly written.Host[], context: HostContext): Pick<ReadPool, "hosts" | "kinds" | "entries"> {
  const { pool, report } = context;
  const hosts: DesiredHost[] = [];
  const kinds: DesiredHost[] = [];
  const entryOf = new Map<string, number>();
  for (const [index, entry] of entries.entries()) {
    const path = ["spec", "hosts", index];
    const range = expandHostRange(entry.name);
    if (range.kind === "problem") {
      report.error("bad-host-range", [...path, "name"], range.message);
      continue;
    }
    const agents = readAgents(entry.agent ?? "sim", range.names, [...path, "agent"], report);
    const addresses = readAddresses(entry.address, range.names, [...path, "address"], report);
    const kind = { ...readHost(entry, range.names[0]!, context, path), agent: agents[0]!, address: addresses[0]! };
    kinds.push(kind);
    for (const [at, name] of range.names.entries()) {
      if (entryOf.has(name)) {
        const message = `Host \`${name}\` is listed twice in pool \`${pool.name}\`; a host name stands for one machine.`;
        report.error("duplicate-host", [...path, "name"], message, "Remove one of the entries or change its range.");
        break;
      }
      entryOf.set(name, index);
      hosts.push({ ...kind, name, rack: rackOf(entry, name), agent: agents[at]!, address: addresses[at]! });
    }
  }
  return { hosts, kinds, entries: entryOf };
}

function readHost(entry: written.Host, name: string, { pool, isolation, report }: HostContext, path: Path): DesiredHost {
  const { capacity, cpus } = readCapacity(entry.capacity, { pool, isolation, report }, [...path, "capacity"]);
  return {
    name,
    pool: pool.name,
    zone: entry.zone,
    rack: rackOf(entry, name),
    labels: sortedRecord(entry.labels ?? {}),
    agent: "sim",
    address: null,
    cpus,
    capacity,
    state: entry.state ?? "active",
  };
}

/** Racks lie in zones: `r1` of zone a and `r1` of zone b are two racks. Without one, the host is a rack of its own. */
function rackOf(entry: written.Host, name: string): string {
  return `${entry.zone}/${entry.rack ?? name}`;
}

/** What Instances may reserve, and on which CPUs: those not isolated, times the pool's overcommit; memory less the pool's reserve. */
function readCapacity(
  capacity: written.Host["capacity"],
  { pool, isolation, report }: HostContext,
  path: Path,
): Pick<DesiredHost, "capacity" | "cpus"> {
  const allMillis = readQuantity(report, [...path, "cpu"], "cpu", capacity.cpu);
  const { cpus, cpuMillis } = isolation.rest(allMillis, [...path, "cpu"]);
  const memoryBytes = readQuantity(report, [...path, "memory"], "bytes", capacity.memory);
  const bandwidth = readOptional(report, [...path, "bandwidth"], "rate", capacity.bandwidth) ?? 0;
  if (memoryBytes <= pool.memoryReserveBytes) {
    const reserve = formatBytes(pool.memoryReserveBytes);
    const message = `A host with ${formatBytes(memoryBytes)} of memory has none left for Instances: the pool reserves ${reserve} on every host.`;
    report.error("reserve-too-large", [...path, "memory"], message, "Lower spec.memory.reserve or correct the host's memory.");
  }
  const allocatable: Resources = {
    cpuMillis: Math.round(cpuMillis * pool.cpuOvercommit),
    memoryBytes: Math.max(0, memoryBytes - pool.memoryReserveBytes),
    diskBytes: readOptional(report, [...path, "disk"], "bytes", capacity.disk) ?? 0,
    ingressBps: bandwidth,
    egressBps: bandwidth,
  };
  return { capacity: allocatable, cpus };
}
