import { contentHash } from "../../core/hash.ts";
import { slotKey } from "../../core/ids.ts";
import type { LiveSettings, Template } from "../../core/desired.ts";
import type { Action, InstanceSpec } from "../../core/plan.ts";
import type { HostCore } from "../host-core.ts";
import { instanceKey, instanceName } from "../instance-key.ts";
import type { InstanceRef, OwnedContainer, StartRequest } from "../ports.ts";
import type { InstanceRecord } from "../state/agent-state.ts";
import { refuseNoNetwork } from "./steps-port.ts";
import { DONE, failed, missing, refused, refuseIncapable, refuseStale, refuseUnenforced, type Of, type Verdict } from "./verdict.ts";

/** Infra and app containers as `spec` says. The floor and what is wanted are on the disk before the first of them. */
export async function startInstance(core: HostCore, action: Of<"startInstance">, signal: AbortSignal): Promise<Verdict> {
  const stale = refuseStale(core, action);
  if (stale !== null) return stale;
  const { spec, ip } = action;
  const wanted = recordFrom(action, spec, ip);
  const record = core.state.recordOf(action);
  if (runsAs(core.picture.containersOf(action), spec) && (record?.want ?? "run") === "run") {
    await Promise.all([
      raiseFloor(core, action),
      record?.started === true ? core.state.settled() : core.state.put({ ...wanted, started: true }),
    ]);
    return DONE;
  }
  const no = refuseStart(core, action);
  if (no !== null) return no;
  await Promise.all([raiseFloor(core, action), core.state.put(wanted)]);
  return await core.during(action, "start", async () => {
    core.publishSoon();
    const secrets = await core.parts.secrets.prepare(action, spec.template, spec.template.containers, core.ownsFiles, signal);
    const volumes = await core.mountVolumes(action, spec.template, signal);
    const request = startRequest(core, action, { spec, ip, secrets, volumes });
    await core.enginePermits.run(signal, () => core.parts.engine.startInstance(action, request, signal));
    return await afterStart(core, action, signal);
  });
}

function refuseStart(core: HostCore, action: Of<"startInstance">): Verdict | null {
  const { spec } = action;
  return (
    refuseUnleased(core, spec) ??
    refuseIncapable(core, "docker") ??
    refuseUnenforced(core, "cgroup", limitsIo(spec.live)) ??
    refuseTwin(core, action) ??
    refuseUnready(core, action) ??
    refuseNoNetwork(core) ??
    refuseOverCapacity(core, action, spec.resources.memoryBytes)
  );
}

/** Limits are written, and what lost its lease meanwhile does not stay. */
async function afterStart(core: HostCore, ref: Action, signal: AbortSignal): Promise<Verdict> {
  await core.lookAt(ref);
  await core.applyLimits(ref, false, signal);
  const record = core.state.recordOf(ref);
  if (record === undefined) return failed("stale-generation", `${instanceName(ref)} was removed while it started`);
  if (record.want === "fenced" || (record.spec.exclusive && !core.leased())) {
    await core.parts.engine.killInstance(ref, signal);
    return refuseUnleased(core, record.spec) ?? refused("lease-over", record.why);
  }
  if (!record.started) await core.state.put({ ...record, started: true });
  return DONE;
}

function refuseUnleased(core: HostCore, spec: InstanceSpec): Verdict | null {
  if (!spec.exclusive || core.leased()) return null;
  return refused("lease-over", `${core.host} lost touch with its reconciler: it starts nothing that must not run twice`);
}

/** Another generation of an exclusive slot still has its containers here. */
function refuseTwin(core: HostCore, action: Of<"startInstance">): Verdict | null {
  if (!action.spec.exclusive) return null;
  const twin = core.picture.inventory.containers.find(
    (it) => it.set === action.set && it.index === action.index && it.generation !== action.generation,
  );
  return twin === undefined ? null : refused("in-use", `${instanceName(twin)} is still on ${core.host}`);
}

/** Network, volumes and images must be there before the first container. */
function refuseUnready(core: HostCore, action: Of<"startInstance">): Verdict | null {
  const lacks = lackingImages(
    core,
    action.spec.template.containers.map(({ image }) => image),
  ).map((image) => `image ${image}`);
  lacks.push(...lackingVolumes(core, action, action.spec.template));
  const port = core.parts.network.ports().find((it) => it.set === action.set && it.index === action.index);
  if (port?.generation !== action.generation || port.ip !== action.ip) lacks.push(`port ${action.ip}`);
  if (lacks.length === 0) return null;
  return refused("not-ready", `${slotKey(action.set, action.index)} can't start on ${core.host}: ${lacks.join(", ")} missing`);
}

/** Volumes that outlive Instances are made by steps of their own. */
function lackingVolumes({ parts }: HostCore, { set, index }: InstanceRef, { volumes }: Template): string[] {
  const present = parts.volumes.volumes().filter((volume) => volume.set === set && volume.index === index);
  const needed = volumes.filter(({ kind }) => kind === "lvm" || kind === "dir");
  return needed.filter(({ name }) => !present.some((volume) => volume.name === name)).map(({ name }) => `volume ${name}`);
}

function lackingImages(core: HostCore, images: readonly string[]): string[] {
  return images.filter((image) => !core.picture.inventory.images.includes(image) && !core.pulled.has(image));
}

/** Memory only: how far cpu may be overcommitted is the pool's business, which the agent does not know. */
function refuseOverCapacity(core: HostCore, ref: InstanceRef, memoryBytes: number): Verdict | null {
  const own = instanceKey(ref);
  const present = core.observation?.instances ?? [];
  let takenBytes = 0;
  for (const instance of present) if (instanceKey(instance) !== own) takenBytes += instance.resources.memoryBytes;
  const before = present.find((instance) => instanceKey(instance) === own)?.resources.memoryBytes ?? 0;
  const freeBytes = core.parts.machine.capacity.memoryBytes - takenBytes;
  if (memoryBytes === before || memoryBytes <= freeBytes) return null;
  const key = slotKey(ref.set, ref.index);
  return refused("no-capacity", `${core.host} has ${freeBytes} of memoryBytes left, ${key} reserves ${memoryBytes}`);
}

function recordFrom(action: Action, spec: InstanceSpec, ip: string): InstanceRecord {
  const { set, index, generation, taskId } = action;
  const { live, liveHash, resources } = spec;
  return { set, index, generation, taskId, ip, spec, live, liveHash, resources, want: "run", why: "", started: false };
}

/** A generation accepted shuts out all older ones. */
async function raiseFloor(core: HostCore, { set, index, generation }: Action): Promise<void> {
  await core.state.raiseFloor(set, index, generation);
}

function startRequest(core: HostCore, action: Action, parts: Pick<StartRequest, "spec" | "ip" | "secrets" | "volumes">): StartRequest {
  const { fleet, cpus } = core.settings!;
  const endpoint = core.parts.network.endpoint(action, parts.spec.hostPorts.length > 0);
  return { fleet, taskId: action.taskId, endpoint, wire: core.wire(action), cpus, ...parts };
}

/** True when exactly these containers run. */
function runsAs(containers: readonly OwnedContainer[], spec: InstanceSpec): boolean {
  const names = Object.keys(spec.containerHashes);
  if (containers.length !== names.length + 1) return false;
  return containers.every(({ state, role, container, hash }) => {
    return state === "running" && hash === (role === "infra" ? spec.infraHash : spec.containerHashes[container]);
  });
}

function limitsIo({ containers }: LiveSettings): boolean {
  return Object.values(containers).some((it) =>
    [it.ioWeight, it.readBps, it.writeBps, it.readIops, it.writeIops].some((limit) => limit !== null),
  );
}

/** Answers when the Instance is healthy or can't become it; the signal ends the patience. */
export function judgeHealth(core: HostCore, action: Of<"awaitHealthy">): Verdict | null {
  const key = instanceKey(action);
  const observed = core.observation?.instances.find((instance) => instanceKey(instance) === key);
  if (observed === undefined) return missing(core, action);
  if (observed.phase === "failed") return failed("crashed", observed.message);
  if (observed.phase === "fenced") return failed("lease-over", observed.message);
  return observed.phase === "running" && observed.healthy ? DONE : null;
}

/** Limits, rates and reservation of a present Instance, running or not. */
export async function updateLive(core: HostCore, action: Of<"updateLive">, signal: AbortSignal): Promise<Verdict> {
  const stale = refuseStale(core, action);
  if (stale !== null) return stale;
  const containers = core.picture.containersOf(action);
  if (containers.length === 0) return missing(core, action);
  const record = core.state.recordOf(action) ?? recordFrom(action, action.spec, containers[0]!.labels.ip);
  const { live, liveHash, taskId } = action;
  if (core.state.recordOf(action)?.liveHash === liveHash) return DONE;
  const no =
    refuseIncapable(core, "docker") ??
    refuseUnenforced(core, "cgroup", limitsIo(live)) ??
    refuseUnenforced(core, "tc", live.ingressBps !== null || live.egressBps !== null) ??
    refuseOverCapacity(core, action, action.spec.resources.memoryBytes);
  if (no !== null) return no;
  await core.enginePermits.run(signal, () => core.parts.engine.updateLimits(action, live.containers, signal));
  if (core.capabilities.includes("tc")) await core.parts.network.shape(action, live.ingressBps, live.egressBps, signal);
  const { resources } = action.spec;
  await core.state.put({ ...record, started: true, live, liveHash, resources, taskId });
  await core.applyLimits(action, true, signal);
  return DONE;
}

/** Recreates the named app containers that differ, do not run or fail their health check; infra stays. */
export async function replaceContainers(core: HostCore, action: Of<"replaceContainers">, signal: AbortSignal): Promise<Verdict> {
  const stale = refuseStale(core, action);
  if (stale !== null) return stale;
  const containers = core.picture.containersOf(action);
  if (containers.length === 0) return missing(core, action);
  const { spec } = action;
  if (containers.find((it) => it.role === "infra")?.hash !== spec.infraHash) {
    return refused("infra-differs", `${slotKey(action.set, action.index)} needs a new infra container: replace the Instance`, "permanent");
  }
  const names = action.containers.filter((name) => needsReplacing(core, containers, name, spec));
  if (names.length === 0) return DONE;
  const news = spec.template.containers.filter((it) => names.includes(it.name));
  const images = news.map((it) => it.image);
  const lacks = [...lackingImages(core, images).map((image) => `image ${image}`), ...lackingVolumes(core, action, spec.template)];
  if (lacks.length > 0) return refused("not-ready", `${core.host} lacks ${lacks.join(", ")}`);
  const no = refuseUnleased(core, spec) ?? refuseIncapable(core, "docker");
  if (no !== null) return no;
  const { ip } = containers[0]!.labels;
  const record = core.state.recordOf(action);
  const secrets = await core.parts.secrets.prepare(action, spec.template, news, core.ownsFiles, signal);
  await core.state.put({ ...replacedRecord(action, record ?? recordFrom(action, spec, ip)), want: "run", why: "", started: true });
  return await core.during(action, "replace", async () => {
    core.publishSoon();
    const volumes = await core.mountVolumes(action, spec.template, signal);
    const request = startRequest(core, action, { spec, ip, secrets, volumes });
    await core.enginePermits.run(signal, () => core.parts.engine.replaceContainers(action, names, request, signal));
    return await afterStart(core, action, signal);
  });
}

/** One just started anew, whose check had no chance to fail yet, is left alone. */
function needsReplacing(core: HostCore, containers: readonly OwnedContainer[], name: string, spec: InstanceSpec): boolean {
  const present = containers.find((it) => it.role === "app" && it.container === name);
  if (present === undefined || present.hash !== spec.containerHashes[name])
    return present !== undefined || spec.containerHashes[name] !== undefined;
  return present.state !== "running" || core.health.healthOf(present).message !== "";
}

/** The Instance's spec with the new definitions of what was replaced; the whole new one when nothing old is left. */
function replacedRecord(action: Of<"replaceContainers">, record: InstanceRecord): InstanceRecord {
  const { containers, spec, taskId } = action;
  const hashes: Record<string, string> = { ...record.spec.containerHashes };
  for (const name of containers) {
    const hash = spec.containerHashes[name];
    if (hash === undefined) delete hashes[name];
    else hashes[name] = hash;
  }
  const names = Object.keys(hashes);
  const complete =
    names.length === Object.keys(spec.containerHashes).length && names.every((name) => hashes[name] === spec.containerHashes[name]);
  if (complete) return { ...record, taskId, spec };
  const news = spec.template.containers.filter((it) => containers.includes(it.name));
  const olds = record.spec.template.containers.filter((it) => !containers.includes(it.name));
  const template = { ...record.spec.template, containers: [...olds, ...news] };
  const specHash = contentHash({ containerHashes: hashes, infraHash: record.spec.infraHash });
  return { ...record, taskId, spec: { ...record.spec, template, containerHashes: hashes, specHash } };
}

/** Stopped on purpose: it stays so over restarts of everything. */
export async function stopInstance(core: HostCore, action: Of<"stopInstance">, signal: AbortSignal): Promise<Verdict> {
  const record = core.state.recordOf(action);
  const containers = core.picture.containersOf(action);
  if (record !== undefined && record.want !== "fenced") {
    await core.state.put({ ...record, want: "stopped", why: "stopped as asked", taskId: action.taskId });
  }
  if (containers.every((container) => container.state !== "running") && (record === undefined || record.started)) return DONE;
  const no = refuseIncapable(core, "docker");
  if (no !== null) return no;
  await core.enginePermits.run(signal, () => core.parts.engine.stopInstance(action, action.graceMs, signal));
  await core.lookAt(action);
  return DONE;
}

/** From then on the host refuses this generation and older ones: that is on the disk before the first container goes. */
export async function removeInstance(core: HostCore, action: Of<"removeInstance">, signal: AbortSignal): Promise<Verdict> {
  await core.state.remove(action);
  const no = refuseIncapable(core, "docker");
  if (no !== null) return no;
  await core.enginePermits.run(signal, () => core.parts.engine.removeInstance(action, signal));
  await core.lookAt(action);
  // What is left of them goes in a later round.
  await core.dropSecrets().catch(() => undefined);
  return DONE;
}

/** Looks anew. */
export async function confirmGone(core: HostCore, action: Of<"confirmGone">): Promise<Verdict> {
  const no = refuseIncapable(core, "docker");
  if (no !== null) return no;
  await core.lookAt(action);
  if (core.picture.containersOf(action).length === 0) return DONE;
  return failed("still-there", `${core.host} still has containers of ${instanceName(action)}`);
}
