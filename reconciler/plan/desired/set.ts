import type { Capability, Container, CountRule, Failover, LiveSettings, PlacementRules, Template } from "../../core/desired.ts";
import type * as written from "../../core/manifest-types.ts";
import type { Loaded, ManifestProblem } from "../../core/manifests.ts";
import { compareNumbers, sortedRecord, sortedUnique } from "../../core/order.ts";
import type { Resources } from "../../core/resources.ts";
import { wholeExtents } from "../../core/volumes.ts";
import { canonicalApart } from "./apart.ts";
import { checkSet } from "./check-set.ts";
import type { SetDraft } from "./hashes.ts";
import { createReport } from "./report.ts";
import { readLiveSettings, readTemplate } from "./template.ts";
import { exclusiveVolume } from "./volumes.ts";

const MAX_UNAVAILABLE_PERCENT = 25;

export interface ReadSet {
  readonly draft: SetDraft;
  readonly problems: readonly ManifestProblem[];
}

/** What a Set's own manifest says, in canonical form, and what is wrong with it by itself. Policies come later. */
export function readSet(loaded: Loaded<written.Set>): ReadSet {
  const { metadata, spec } = loaded.manifest;
  const report = createReport(loaded);
  const template = readTemplate(spec.template, report);
  const live = readLiveSettings(spec.template, report);
  const exclusive = template.network.ip === "reuse" || exclusiveVolume(template.volumes) !== null;
  const draft: SetDraft = {
    name: metadata.name,
    labels: sortedRecord(metadata.labels ?? {}),
    pools: sortedUnique(spec.pools ?? (spec.pool === undefined ? [] : [spec.pool])),
    count: readCount(spec),
    priority: spec.priority ?? "normal",
    template,
    live,
    resources: reservedBy(template, live),
    hostPorts: hostPortsOf(template.containers),
    needs: capabilitiesFor(template, live),
    images: sortedUnique(template.containers.map((container) => container.image)),
    placement: readPlacement(spec.placement ?? {}),
    maxUnavailable: readMaxUnavailable(spec.rollout?.maxUnavailable),
    failover: spec.failover ?? defaultFailover(exclusive),
    exclusive,
    source: loaded.position,
  };
  checkSet(loaded.manifest, draft, report);
  return { draft, problems: report.problems };
}

function defaultFailover(exclusive: boolean): Failover {
  return exclusive ? "after-fence" : "always";
}

/** The schema lets exactly one of replicas and scaling through. Schedules are a policy's. */
function readCount({ replicas, scaling }: written.Set["spec"]): CountRule {
  if (scaling === undefined) return { kind: "fixed", replicas: replicas ?? 0 };
  return { kind: "elastic", min: scaling.min, max: scaling.max, initial: scaling.initial ?? scaling.min, schedules: [] };
}

/** What one Instance takes from its host: requests, whole LVM volumes, and the rates that shaping guarantees. A soft limit reserves nothing. */
function reservedBy(template: Template, live: LiveSettings): Resources {
  const limits = Object.values(live.containers);
  const lvm = template.volumes.filter((volume) => volume.kind === "lvm");
  return {
    cpuMillis: limits.reduce((sum, { cpuRequestMillis }) => sum + cpuRequestMillis, 0),
    memoryBytes: limits.reduce((sum, { memoryRequestBytes }) => sum + memoryRequestBytes, 0),
    diskBytes: lvm.reduce((sum, { name }) => sum + wholeExtents(live.volumes[name] ?? 0), 0),
    ingressBps: live.ingressBps ?? 0,
    egressBps: live.egressBps ?? 0,
  };
}

function hostPortsOf(containers: readonly Container[]): number[] {
  const ports = containers.flatMap((container) => container.ports.map(({ hostPort }) => hostPort));
  return [...new Set(ports.filter((port) => port !== null))].sort(compareNumbers);
}

/** Only what the Set really uses: a host without LVM can still run a Set without LVM volumes. */
function capabilitiesFor(template: Template, live: LiveSettings): Capability[] {
  const needs: Capability[] = ["docker"];
  const limitsIo = Object.values(live.containers).some(
    ({ ioWeight, readBps, writeBps, readIops, writeIops }) => (ioWeight ?? readBps ?? writeBps ?? readIops ?? writeIops) !== null,
  );
  if (limitsIo) needs.push("cgroup");
  if (template.volumes.some((volume) => volume.kind === "lvm")) needs.push("lvm");
  if (template.network.vlan !== null) needs.push("ovs");
  if (live.ingressBps !== null || live.egressBps !== null) needs.push("tc");
  return needs.sort();
}

function readPlacement(placement: written.Placement): PlacementRules {
  return {
    zones: sortedUnique(placement.zones?.only ?? []),
    zonesMin: placement.zones?.min ?? 1,
    zonesSurvive: placement.zones?.survive ?? 0,
    hostLabels: sortedRecord(placement.hostLabels ?? {}),
    strategy: placement.strategy ?? "spread",
    maxPerHost: placement.maxPerHost ?? null,
    apart: canonicalApart((placement.apart ?? []).map(({ set, within }) => ({ set, within: within ?? "host" }))),
    near: sortedUnique(placement.near ?? []),
    maxCorePerHost: null,
  };
}

/** `25%` → percent, `2` → count; the schema lets nothing else through. */
function readMaxUnavailable(written: number | string | undefined): SetDraft["maxUnavailable"] {
  if (written === undefined) return { percent: MAX_UNAVAILABLE_PERCENT };
  return typeof written === "number" ? { count: written } : { percent: Number.parseInt(written, 10) };
}
