import type { DesiredHost, DesiredSet } from "../../core/desired.ts";
import type { ManifestProblem } from "../../core/manifests.ts";
import { sortedUnique } from "../../core/order.ts";
import { RESOURCE_NAMES } from "../../core/resources.ts";
import type { ResourceName, Resources } from "../../core/resources.ts";
import { formatBytes, formatCpu, formatRate } from "../../core/units.ts";
import { greatestTotal } from "./count.ts";
import type { LoadedSet } from "./policies.ts";
import type { ReadPool } from "./pool.ts";
import { createReport, didYouMean, listed } from "./report.ts";
import type { Report } from "./report.ts";

/** How a Set meets the pools it names. */
export interface Fit {
  readonly problems: readonly ManifestProblem[];
  /** Those of its pools that exist; sorted by name. */
  readonly pools: readonly ReadPool[];
  /** Names of `pools`, joined: Sets with equal keys share the same addresses. */
  readonly poolKey: string;
  /** Most Instances it can ever want. */
  readonly greatestTotal: number;
}

/** Checks a Set (with its policies) against the pools of the same commit. */
export function checkFit(loaded: LoadedSet, set: DesiredSet, poolByName: ReadonlyMap<string, ReadPool>): Fit {
  const report = createReport(loaded);
  const pools = knownPools(loaded, set, poolByName, report);
  const zones = usableZones(set, pools, report);
  if (pools.length > 0 && pools.length === set.pools.length && zones.length > 0) {
    checkZoneCounts(set, zones, report);
    checkHosts(set, pools, zones, report);
  }
  checkVolumeGroups(loaded, set, pools, report);
  const poolKey = pools.map(({ pool }) => pool.name).join(" ");
  return { problems: report.problems, pools, poolKey, greatestTotal: greatestTotal(set, zones.length) };
}

function knownPools({ manifest }: LoadedSet, set: DesiredSet, poolByName: ReadonlyMap<string, ReadPool>, report: Report): ReadPool[] {
  const known = sortedUnique(poolByName.keys());
  for (const name of set.pools) {
    if (poolByName.has(name)) continue;
    const path = manifest.spec.pools === undefined ? ["spec", "pool"] : ["spec", "pools", manifest.spec.pools.indexOf(name)];
    const message = `Set \`${set.name}\` names the pool \`${name}\`, which does not exist; pools: ${listed(known)}.`;
    report.error("unknown-pool", path, message, didYouMean(name, known, "Correct the name or add the HostPool."));
  }
  return set.pools.flatMap((name) => poolByName.get(name) ?? []);
}

/** Zones of its pools that the Set may use; a zone it names that none of them has is reported. */
function usableZones(set: DesiredSet, pools: readonly ReadPool[], report: Report): readonly string[] {
  const offered = sortedUnique(pools.flatMap(({ zones }) => zones));
  const { zones } = set.placement;
  if (zones.length === 0) return offered;
  for (const zone of zones) {
    if (offered.includes(zone) || pools.length < set.pools.length) continue;
    const message = `Set \`${set.name}\` names the zone \`${zone}\`, which its pools ${listed(set.pools)} don't have; their zones: ${listed(offered)}.`;
    report.error(
      "unknown-zone",
      ["spec", "placement", "zones", "only"],
      message,
      didYouMean(zone, offered, "Correct the name or remove it."),
    );
  }
  return zones.filter((zone) => offered.includes(zone));
}

function checkZoneCounts({ name, placement }: DesiredSet, zones: readonly string[], report: Report): void {
  const usable = `can use ${zones.length === 1 ? "only 1 zone" : `only ${zones.length} zones`} (${listed(zones)})`;
  if (placement.zonesMin > zones.length) {
    const message = `Set \`${name}\` must spread over at least ${placement.zonesMin} zones but ${usable}.`;
    report.error("too-few-zones", ["spec", "placement", "zones", "min"], message, "Lower zones.min, or give it more zones or pools.");
  }
  if (placement.zonesSurvive > 0 && zones.length < 2) {
    const message = `Set \`${name}\` must survive the loss of a zone but ${usable}; that takes at least 2.`;
    report.warning(
      "too-few-zones",
      ["spec", "placement", "zones", "survive"],
      message,
      "Give it more zones or pools, or drop zones.survive.",
    );
  }
}

/** A real host has logical volumes only where its pool says from which group; simulated ones need none. */
function checkVolumeGroups({ manifest }: LoadedSet, set: DesiredSet, pools: readonly ReadPool[], report: Report): void {
  const without = pools.filter(({ pool, kinds }) => pool.storage.volumeGroup === null && kinds.some(({ agent }) => agent !== "sim"));
  if (without.length === 0) return;
  for (const [index, { name, lvm }] of (manifest.spec.template.volumes ?? []).entries()) {
    if (lvm === undefined) continue;
    const names = listed(without.map(({ pool }) => pool.name));
    report.error(
      "no-volume-group",
      ["spec", "template", "volumes", index, "lvm"],
      `Volume \`${name}\` of Set \`${set.name}\` is a logical volume, but pool ${names} names no volume group to take it from.`,
      "Add `storage: {volumeGroup: NAME}` to the HostPool (`vgs` on its hosts lists theirs), or use `dir` for data that can be made again.",
    );
  }
}

/** Some host must carry the labels, and one that does must be large enough for an Instance. */
function checkHosts(set: DesiredSet, pools: readonly ReadPool[], zones: readonly string[], report: Report): void {
  const kinds = pools.flatMap((pool) => pool.kinds);
  if (kinds.some((host) => zones.includes(host.zone) && carries(host, set) && fits(set.resources, host.capacity))) return;
  const carriers = kinds.filter((host) => zones.includes(host.zone) && carries(host, set));
  if (carriers.length > 0) reportTooLarge(set, carriers, report);
  else if (kinds.length > 0) reportLabels(set, kinds, zones, report);
}

function reportLabels(set: DesiredSet, kinds: readonly DesiredHost[], zones: readonly string[], report: Report): void {
  const wanted = Object.entries(set.placement.hostLabels).map(([key, value]) => `${key}: ${value}`);
  const offered = sortedUnique(
    kinds
      .filter((host) => zones.includes(host.zone))
      .flatMap(({ labels }) => Object.keys(set.placement.hostLabels).flatMap((key) => (key in labels ? `${key}: ${labels[key]}` : []))),
  );
  const message = `Set \`${set.name}\` needs hosts labelled ${listed(wanted)}, but no host of its pools and zones carries that; values of these labels: ${listed(offered)}.`;
  report.error("no-such-host-label", ["spec", "placement", "hostLabels"], message, "Correct the labels, or label hosts in the HostPool.");
}

function reportTooLarge(set: DesiredSet, carriers: readonly DesiredHost[], report: Report): void {
  const over = RESOURCE_NAMES.flatMap((resource) => {
    const largest = Math.max(...carriers.map(({ capacity }) => capacity[resource]));
    return set.resources[resource] > largest ? `${SHOW[resource](set.resources[resource])} (largest host: ${SHOW[resource](largest)})` : [];
  });
  const needs = RESOURCE_NAMES.filter((resource) => set.resources[resource] > 0).map((resource) => SHOW[resource](set.resources[resource]));
  const message =
    over.length > 0
      ? `An Instance of Set \`${set.name}\` is larger than every host it may use: it needs ${over.join(", ")}.`
      : `No single host that Set \`${set.name}\` may use has all an Instance needs: ${needs.join(", ")}.`;
  report.error("instance-too-large", ["spec", "template"], message, "Ask for less, or add larger hosts.");
}

const SHOW: Readonly<Record<ResourceName, (value: number) => string>> = {
  cpuMillis: (value) => `cpu ${formatCpu(value)}`,
  memoryBytes: (value) => `memory ${formatBytes(value)}`,
  diskBytes: (value) => `disk ${formatBytes(value)}`,
  ingressBps: (value) => `ingress ${formatRate(value)}`,
  egressBps: (value) => `egress ${formatRate(value)}`,
};

function carries(host: DesiredHost, set: DesiredSet): boolean {
  for (const key in set.placement.hostLabels) if (host.labels[key] !== set.placement.hostLabels[key]) return false;
  return true;
}

function fits(wanted: Resources, offered: Resources): boolean {
  return RESOURCE_NAMES.every((resource) => wanted[resource] <= offered[resource]);
}
