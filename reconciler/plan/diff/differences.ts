import type { ContainerLimits, DesiredSet, LiveSettings } from "../../core/desired.ts";
import type { ObservedInstance } from "../../core/observation.ts";
import { formatBytes, formatCpu, formatRate } from "../../core/units.ts";

/** What an Instance needs to become what its Set asks for. */
export interface Difference {
  /** `none` < `live` (in place) < `containers` (some recreated) < `infra` (whole Instance replaced). */
  readonly reach: "none" | "live" | "containers" | "infra";
  /** Names of the app containers to recreate; empty unless reach is `containers`. In launch order. */
  readonly containers: readonly string[];
}

const NO_DIFFERENCE: Difference = { reach: "none", containers: [] };

/** Compares by hash first: a converged Instance costs two string comparisons. */
export function differenceOf(set: DesiredSet, instance: ObservedInstance): Difference {
  if (instance.specHash === set.specHash) {
    return instance.liveHash === set.liveHash ? NO_DIFFERENCE : { reach: "live", containers: [] };
  }
  const sameContainers = Object.keys(instance.containerHashes).length === set.template.containers.length;
  if (instance.infraHash !== set.infraHash || !sameContainers) return { reach: "infra", containers: [] };
  const changed = set.template.containers.filter(
    (container) => instance.containerHashes[container.name] !== set.containerHashes[container.name],
  );
  return { reach: "containers", containers: changed.map((container) => container.name) };
}

/** What differs, as a person says it: `image web 1.4 -> 1.5`, `memory limit web 512Mi -> 1Gi`. */
export function describeDifference(set: DesiredSet, instance: ObservedInstance, difference: Difference): string {
  if (difference.reach === "none") return "";
  const parts: string[] = [];
  if (difference.reach === "infra") parts.push("network, its sysctls, volumes or containers");
  for (const container of set.template.containers) {
    const before = instance.images[container.name];
    if (before !== undefined && before !== container.image) parts.push(imageChange(container.name, before, container.image));
    else if (difference.containers.includes(container.name)) parts.push(`container ${container.name}`);
  }
  parts.push(...liveChanges(instance.live, set.live), ...sizeChanges(set, instance.live));
  return parts.join(", ");
}

/** `image web 1.4 -> 1.5` where only the tag differs, else both whole references. */
function imageChange(container: string, before: string, after: string): string {
  const [beforeName, beforeTag] = splitTag(before);
  const [afterName, afterTag] = splitTag(after);
  if (beforeName === afterName) return `image ${container} ${beforeTag} -> ${afterTag}`;
  return `image ${container} ${before} -> ${after}`;
}

function splitTag(image: string): [string, string] {
  const separator = image.includes("@") ? image.indexOf("@") : image.lastIndexOf(":");
  return separator <= image.lastIndexOf("/") ? [image, "latest"] : [image.slice(0, separator), image.slice(separator + 1)];
}

/** Fields as people call them. */
const WORDS: Readonly<Record<keyof ContainerLimits | "ingressBps" | "egressBps", string>> = {
  cpuRequestMillis: "cpu request",
  cpuLimitMillis: "cpu limit",
  memoryRequestBytes: "memory request",
  memoryLimitBytes: "memory limit",
  swapBytes: "swap",
  ioWeight: "io weight",
  readBps: "read bytes/s",
  writeBps: "write bytes/s",
  readIops: "read iops",
  writeIops: "write iops",
  ingressBps: "ingress",
  egressBps: "egress",
};

/** Each in-place field that differs, in the order of the fields. */
function liveChanges(before: LiveSettings, after: LiveSettings): string[] {
  const changes: string[] = [];
  for (const [name, limits] of Object.entries(after.containers)) {
    const old = before.containers[name];
    if (old === undefined) continue;
    for (const field of Object.keys(limits) as (keyof typeof limits)[]) {
      if (old[field] !== limits[field]) changes.push(`${WORDS[field]} ${name} ${show(field, old[field])} -> ${show(field, limits[field])}`);
    }
  }
  for (const field of ["ingressBps", "egressBps"] as const) {
    if (before[field] !== after[field]) changes.push(`${WORDS[field]} ${show(field, before[field])} -> ${show(field, after[field])}`);
  }
  return changes;
}

/** Each volume that gets another size; one that is never made smaller has no part in the change. */
function sizeChanges({ template, live }: DesiredSet, before: LiveSettings): string[] {
  return Object.entries(live.volumes).flatMap(([name, size]) => {
    const old = before.volumes[name];
    const shrinks = old !== undefined && size < old && template.volumes.some((volume) => volume.name === name && volume.kind === "lvm");
    return old === undefined || old === size || shrinks ? [] : [`volume ${name} ${show("sizeBytes", old)} -> ${show("sizeBytes", size)}`];
  });
}

/** A value with its unit, told by the field's name (units stand last in every name). */
function show(field: string, value: number | null): string {
  if (value === null) return "none";
  if (field.endsWith("Millis")) return formatCpu(value);
  if (field.endsWith("Bytes") || field === "readBps" || field === "writeBps") return formatBytes(value);
  return field === "ingressBps" || field === "egressBps" ? formatRate(value) : String(value);
}
