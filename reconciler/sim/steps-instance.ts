import type { Container } from "../core/desired.ts";
import { slotKey } from "../core/ids.ts";
import type { Action, InstanceSpec } from "../core/plan.ts";
import { RESOURCE_NAMES, type Resources } from "../core/resources.ts";
import { secretNeeds } from "../core/secrets.ts";
import { dropInstance, putInstance, raiseFloor, reserved, type SimHost, type SimInstance } from "./host-state.ts";
import { DONE, failed, find, missing, refused, refuseIncapable, refuseStale, type Conditions, type Of, type Verdict } from "./step.ts";

export function checkStart(host: SimHost, action: Of<"startInstance">, conditions: Conditions): Verdict | null {
  const present = find(host, action);
  const stale = refuseStale(host, action);
  if (stale !== null) return stale;
  if (present?.observed.phase === "running" && present.observed.specHash === action.spec.specHash) return DONE;
  return (
    refuseUnleased(host, action.spec, conditions) ??
    refuseIncapable(host, "docker") ??
    refuseTwin(host, action) ??
    refuseUnready(host, action) ??
    refuseOverCapacity(host, action.spec.resources, present, action) ??
    refuseLacking(host, action.spec, action.spec.template.containers)
  );
}

/** What real hosts find out when they create these containers. */
function refuseLacking(host: SimHost, { template }: InstanceSpec, containers: readonly Container[]): Verdict | null {
  if (host.lacks.size === 0) return null;
  const { runtime } = template;
  if (runtime !== undefined && host.lacks.has(`runtime ${runtime}`)) {
    return refused("runtime-missing", `Docker of ${host.name} does not know the runtime ${runtime}`);
  }
  for (const container of containers) {
    const { values, folders } = secretNeeds(container, template);
    const lacking = [...values, ...folders].find(({ secret }) => host.lacks.has(`secret ${secret}`));
    if (lacking === undefined) continue;
    return refused("secret-missing", `${host.name} has no secret ${lacking.secret}: /etc/setpoint/secrets/${lacking.secret} is not there`);
  }
  return null;
}

function refuseUnleased(host: SimHost, spec: InstanceSpec, conditions: Conditions): Verdict | null {
  if (!spec.exclusive || conditions.leased) return null;
  return refused("lease-over", `${host.name} lost touch with its reconciler: it starts nothing that must not run twice`);
}

/** Another generation of an exclusive slot still has its containers here. */
function refuseTwin(host: SimHost, action: Of<"startInstance">): Verdict | null {
  if (!action.spec.exclusive) return null;
  for (const { observed } of host.slots.get(slotKey(action.set, action.index))?.instances.values() ?? []) {
    if (observed.generation === action.generation) continue;
    return refused("in-use", `generation ${observed.generation} of ${action.set}/${action.index} is still on ${host.name}`);
  }
  return null;
}

/** Network, volumes and images must be there before the first container. */
function refuseUnready(host: SimHost, action: Of<"startInstance">): Verdict | null {
  const key = slotKey(action.set, action.index);
  const slot = host.slots.get(key);
  const lacks: string[] = action.spec.template.containers.filter((it) => !host.images.has(it.image)).map((it) => `image ${it.image}`);
  for (const volume of action.spec.template.volumes) {
    const lasts = volume.kind === "lvm" || volume.kind === "dir";
    if (lasts && slot?.volumes.get(volume.name)?.kind !== volume.kind) lacks.push(`volume ${volume.name}`);
  }
  if (slot?.port?.generation !== action.generation || slot.port.ip !== action.ip) lacks.push(`port ${action.ip}`);
  if (lacks.length === 0) return null;
  return refused("not-ready", `${key} can't start on ${host.name}: ${lacks.join(", ")} missing`);
}

function refuseOverCapacity(host: SimHost, wanted: Resources, present: SimInstance | null, action: Action): Verdict | null {
  const taken = reserved(host, present);
  for (const name of RESOURCE_NAMES) {
    if (name === "diskBytes" || wanted[name] === (present?.observed.resources[name] ?? 0)) continue;
    if (taken[name] + wanted[name] <= host.capacity[name]) continue;
    const text = `${host.name} has ${host.capacity[name] - taken[name]} of ${name} left, ${slotKey(action.set, action.index)} reserves ${wanted[name]}`;
    return refused("no-capacity", text);
  }
  return null;
}

export function beginStart(host: SimHost, action: Of<"startInstance">, conditions: Conditions): void {
  const phase = "created";
  const usedMemoryBytes = Math.round(action.spec.resources.memoryBytes * conditions.memoryUse);
  putInstance(host, { observed: observedFrom(action, phase), spec: action.spec, usedMemoryBytes });
}

export function finishStart(host: SimHost, action: Of<"startInstance">, conditions: Conditions): Verdict {
  beginStart(host, action, conditions);
  change(host, find(host, action)!, { phase: "running" });
  raiseFloor(host, slotKey(action.set, action.index), action.generation);
  return DONE;
}

function observedFrom(action: Of<"startInstance">, phase: "created"): SimInstance["observed"] {
  const { set, index, generation, taskId, spec, ip } = action;
  const { infraHash, containerHashes, specHash, live, liveHash, resources, hostPorts, exclusive, priority } = spec;
  const rest = { infraHash, containerHashes, specHash, live, liveHash, resources, hostPorts, exclusive, priority };
  return { set, index, generation, phase, healthy: false, ...rest, ip, images: imagesOf(spec), taskId, message: "" };
}

const imageRecords = new WeakMap<InstanceSpec, Readonly<Record<string, string>>>();

/** One record per spec, shared by all its Instances. */
function imagesOf(spec: InstanceSpec): Readonly<Record<string, string>> {
  let record = imageRecords.get(spec);
  if (record === undefined) {
    record = Object.fromEntries(spec.template.containers.map((container) => [container.name, container.image]));
    imageRecords.set(spec, record);
  }
  return record;
}

export function checkHealthy(host: SimHost, action: Of<"awaitHealthy">): Verdict | null {
  const observed = find(host, action)?.observed;
  if (observed === undefined) return missing(host, action);
  if (observed.phase === "failed") return failed("crashed", observed.message);
  if (observed.phase === "fenced") return failed("lease-over", observed.message);
  return observed.phase === "running" && observed.healthy ? DONE : null;
}

export function checkUpdate(host: SimHost, action: Of<"updateLive">): Verdict | null {
  const stale = refuseStale(host, action);
  if (stale !== null) return stale;
  const present = find(host, action);
  if (present === null) return missing(host, action);
  if (present.observed.liveHash === action.liveHash) return DONE;
  const limits = Object.values(action.live.containers).map((container) => container.memoryLimitBytes);
  const limitBytes = limits.includes(null) ? Infinity : limits.reduce((sum: number, limit) => sum + limit!, 0);
  if (limitBytes < present.usedMemoryBytes) {
    return refused("below-use", `${present.usedMemoryBytes} bytes of memory are in use, the new limit is ${limitBytes}`);
  }
  return refuseOverCapacity(host, action.spec.resources, present, action);
}

export function finishUpdate(host: SimHost, action: Of<"updateLive">): Verdict {
  const { resources } = action.spec;
  change(host, find(host, action)!, { live: action.live, liveHash: action.liveHash, resources });
  return DONE;
}

export function checkReplace(host: SimHost, action: Of<"replaceContainers">, conditions: Conditions): Verdict | null {
  const stale = refuseStale(host, action);
  if (stale !== null) return stale;
  const present = find(host, action);
  if (present === null) return missing(host, action);
  if (present.observed.infraHash !== action.spec.infraHash) {
    return refused("infra-differs", `${action.set}/${action.index} needs a new infra container: replace the Instance`, "permanent");
  }
  if (action.containers.every((name) => present.observed.containerHashes[name] === action.spec.containerHashes[name])) return DONE;
  const images = action.spec.template.containers.filter((it) => action.containers.includes(it.name)).map((it) => it.image);
  const lacks = images.filter((image) => !host.images.has(image));
  if (lacks.length > 0) return refused("not-ready", `image ${lacks.join(", ")} is not on ${host.name}`);
  const news = action.spec.template.containers.filter((it) => action.containers.includes(it.name));
  return refuseUnleased(host, action.spec, conditions) ?? refuseIncapable(host, "docker") ?? refuseLacking(host, action.spec, news);
}

export function beginReplace(host: SimHost, action: Of<"replaceContainers">): void {
  change(host, find(host, action)!, { healthy: false });
}

export function finishReplace(host: SimHost, action: Of<"replaceContainers">): Verdict {
  const present = find(host, action)!;
  const containerHashes = { ...present.observed.containerHashes };
  const images = { ...present.observed.images };
  for (const container of action.spec.template.containers) {
    if (!action.containers.includes(container.name)) continue;
    containerHashes[container.name] = action.spec.containerHashes[container.name]!;
    images[container.name] = container.image;
  }
  for (const name of action.containers) {
    if (action.spec.containerHashes[name] !== undefined) continue;
    delete containerHashes[name];
    delete images[name];
  }
  const complete = sameRecord(containerHashes, action.spec.containerHashes);
  const specHash = complete ? action.spec.specHash : present.observed.specHash;
  const observed = { ...present.observed, containerHashes, images, specHash, healthy: false, taskId: action.taskId, message: "" };
  const phase = observed.phase === "failed" ? "running" : observed.phase;
  putInstance(host, { ...present, spec: complete ? action.spec : present.spec, observed: { ...observed, phase } });
  return DONE;
}

function sameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

export function checkStop(host: SimHost, action: Of<"stopInstance">): Verdict | null {
  const present = find(host, action);
  return present === null || present.observed.phase !== "running" ? DONE : refuseIncapable(host, "docker");
}

export function finishStop(host: SimHost, action: Of<"stopInstance">): Verdict {
  change(host, find(host, action)!, { phase: "stopped", healthy: false, message: "stopped as asked" });
  return DONE;
}

export function finishRemove(host: SimHost, action: Of<"removeInstance">): Verdict {
  raiseFloor(host, slotKey(action.set, action.index), action.generation + 1);
  dropInstance(host, action.set, action.index, action.generation);
  return DONE;
}

export function checkGone(host: SimHost, action: Of<"confirmGone">): Verdict {
  if (find(host, action) === null) return DONE;
  return failed("still-there", `${host.name} still has containers of generation ${action.generation} of ${action.set}/${action.index}`);
}

function change(host: SimHost, instance: SimInstance, part: Partial<SimInstance["observed"]>): void {
  putInstance(host, { ...instance, observed: { ...instance.observed, ...part } });
}
