import { isDeepStrictEqual } from "node:util";
import type { Capability, LiveSettings } from "../../core/desired.ts";
import { contentHash } from "../../core/hash.ts";
import type {
  HostObservation,
  InstancePhase,
  ObservedInstance,
  ObservedPort,
  ObservedVolume,
  TrashedVolume,
} from "../../core/observation.ts";
import { compareInstances, compareSlots, compareText, sortedRecord, sortedUnique } from "../../core/order.ts";
import type { Resources } from "../../core/resources.ts";
import { instanceKey } from "../instance-key.ts";
import type { EngineInventory, OwnedContainer } from "../ports.ts";
import type { InstanceRecord } from "../state/agent-state.ts";
import type { Health } from "../supervise/health.ts";

/** What is done to an Instance: by a step, or by supervision after it crashed (`resume`), or its host stopped it or cut it off (`revive`). */
export type Work = "start" | "replace" | "resume" | "revive";

/** Everything a report is made of. */
export interface ObservationParts {
  readonly host: string;
  readonly boot: string;
  readonly capacity: Resources;
  readonly capabilities: readonly Capability[];
  readonly inventory: EngineInventory;
  /** False: the engine was not listed since the agent started, so nobody but the records can tell what is there. */
  readonly looked: boolean;
  readonly instances: ReadonlyMap<string, readonly OwnedContainer[]>;
  readonly records: ReadonlyMap<string, InstanceRecord>;
  readonly volumes: readonly ObservedVolume[];
  readonly trash: readonly TrashedVolume[];
  readonly ports: readonly ObservedPort[];
  readonly floors: Readonly<Record<string, number>>;
  /** Why the engine does not answer; null while it does. */
  readonly engineProblem: string | null;
  /** Why the host's storage needs a person; null: it does not. */
  readonly storageProblem: string | null;
  /** What is being done to an Instance, by instanceKey. */
  readonly working: ReadonlyMap<string, Work>;
  /** What supervision says about an Instance that does not run; empty: nothing. */
  readonly troubleOf: (key: string) => string;
  readonly healthOf: (container: OwnedContainer) => Health;
}

/** What an Instance's part of the newest report was made of. */
interface Observed {
  /** Compared one by one, by identity. */
  readonly inputs: readonly unknown[];
  readonly instance: ObservedInstance;
}

/** By instanceKey: with it only those are made anew for a report to which something happened. */
export type ObservationMemory = Map<string, Observed>;

/**
 * The report of a host. The same object as `before` when nothing changed, else with the next version; in it every part that did
 * not change keeps its identity. `memory` is of the reports before, and brought up to date.
 */
export function buildObservation(before: HostObservation | null, parts: ObservationParts, memory: ObservationMemory): HostObservation {
  const known = new Map((before?.instances ?? []).map((instance) => [instanceKey(instance), instance]));
  const merge = (instance: ObservedInstance): ObservedInstance => {
    const old = known.get(instanceKey(instance));
    return old !== undefined && isDeepStrictEqual(old, instance) ? old : instance;
  };
  for (const key of memory.keys()) if (!parts.instances.has(key)) memory.delete(key);
  const instances = parts.looked
    ? [...parts.instances].map(([key, containers]) => observeChanged(key, containers, parts, memory, merge))
    : [...parts.records.values()].filter((record) => record.started).map((record) => merge(rememberInstance(record, parts)));
  const next = {
    engineProblem: parts.engineProblem ?? "",
    storageProblem: parts.storageProblem ?? "",
    host: parts.host,
    boot: parts.boot,
    capacity: parts.capacity,
    capabilities: sortedUnique(parts.capabilities) as Capability[],
    instances: instances.sort(compareInstances),
    volumes: parts.volumes,
    trash: parts.trash,
    ports: [...parts.ports].sort(compareSlots),
    images: parts.inventory.images,
    floors: parts.floors,
    foreign: [...parts.inventory.foreign].sort(compareText),
  };
  if (before === null) return { ...next, version: 1 };
  let changed = false;
  const merged: Record<string, unknown> = { ...next, version: before.version + 1 };
  for (const [name, value] of Object.entries(next)) {
    const old: unknown = before[name as keyof HostObservation];
    if (isDeepStrictEqual(old, value)) merged[name] = old;
    else changed = true;
  }
  return changed ? (merged as unknown as HostObservation) : before;
}

/** What an Instance says while nobody can look at it; empty: somebody can. */
function engineMessage(problem: string | null): string {
  return problem === null ? "" : `the container engine can't be used: ${problem}`;
}

const NO_LIVE: LiveSettings = { containers: {}, volumes: {}, ingressBps: null, egressBps: null };

/** As observeInstance, made anew only if something that it is made of is another. */
function observeChanged(
  key: string,
  containers: readonly OwnedContainer[],
  parts: ObservationParts,
  memory: ObservationMemory,
  merge: (instance: ObservedInstance) => ObservedInstance,
): ObservedInstance {
  const record = parts.records.get(key);
  const { working, troubleOf, engineProblem, healthOf } = parts;
  const inputs = [containers, record, working.get(key), troubleOf(key), engineProblem, ...containers.map(healthOf)];
  const seen = memory.get(key);
  if (seen !== undefined && inputs.length === seen.inputs.length && inputs.every((input, at) => input === seen.inputs[at])) {
    return seen.instance;
  }
  const instance = merge(observeInstance(containers, record, parts));
  memory.set(key, { inputs, instance });
  return instance;
}

/** One Instance from its containers, infra first, and what the agent was told of it. */
function observeInstance(
  containers: readonly OwnedContainer[],
  record: InstanceRecord | undefined,
  parts: ObservationParts,
): ObservedInstance {
  const first = containers[0]!;
  const apps = containers.filter((container) => container.role === "app");
  const infra = containers.find((container) => container.role === "infra");
  const containerHashes = sortedRecord(Object.fromEntries(apps.map((app) => [app.container, app.hash])));
  const infraHash = infra?.hash ?? "";
  const { phase, message } = phaseOf(containers, record, parts);
  const troubled = apps.map(parts.healthOf).filter((health) => !health.healthy);
  const lacks = (record?.spec.template.containers ?? []).filter(({ name }) => containerHashes[name] === undefined);
  const lack = lacks.length === 0 ? "" : `missing: ${lacks.map(({ name }) => name).join(", ")}`;
  const key = instanceKey(first);
  return {
    set: first.set,
    index: first.index,
    generation: first.generation,
    phase,
    healthy: phase === "running" && infra !== undefined && lack === "" && troubled.length === 0 && !parts.working.has(key),
    infraHash,
    containerHashes,
    specHash: specHashOf(infraHash, containerHashes, record),
    live: record?.live ?? NO_LIVE,
    liveHash: record?.liveHash ?? "",
    resources: record?.resources ?? first.labels.resources,
    hostPorts: first.labels.hostPorts,
    ip: first.labels.ip === "" ? null : first.labels.ip,
    images: sortedRecord(Object.fromEntries(apps.map((app) => [app.container, app.labels.image]))),
    exclusive: first.labels.exclusive,
    priority: first.labels.priority,
    taskId: record?.taskId ?? first.labels.taskId,
    message: engineMessage(parts.engineProblem) || message || lack || (troubled.find((health) => health.message !== "")?.message ?? ""),
  };
}

/** An Instance that nobody could look at since the agent started: taken to be there, so that it does not start twice. */
function rememberInstance(record: InstanceRecord, { engineProblem }: ObservationParts): ObservedInstance {
  const { set, index, generation, spec, live, liveHash, resources, ip, taskId, want } = record;
  const { infraHash, containerHashes, specHash, hostPorts, exclusive, priority } = spec;
  return {
    set,
    index,
    generation,
    phase: want === "run" ? "running" : want,
    healthy: false,
    infraHash,
    containerHashes,
    specHash,
    live,
    liveHash,
    resources,
    hostPorts,
    exclusive,
    priority,
    taskId,
    ip: ip === "" ? null : ip,
    images: Object.fromEntries(spec.template.containers.map(({ name, image }) => [name, image])),
    message: engineMessage(engineProblem),
  };
}

/** The label of one container can't know of the others that were replaced since: the hash is made of what is there. */
function specHashOf(infraHash: string, containerHashes: Readonly<Record<string, string>>, record: InstanceRecord | undefined): string {
  const spec = record?.spec;
  if (spec !== undefined && spec.infraHash === infraHash && isDeepStrictEqual(sortedRecord(spec.containerHashes), containerHashes)) {
    return spec.specHash;
  }
  return contentHash({ containerHashes, infraHash });
}

function phaseOf(
  containers: readonly OwnedContainer[],
  record: InstanceRecord | undefined,
  { working, troubleOf }: ObservationParts,
): { readonly phase: InstancePhase; readonly message: string } {
  const key = instanceKey(containers[0]!);
  const doing = working.get(key);
  if (doing === "start") return { phase: "created", message: "" };
  // What is seen in between, such as a member still in the network of the dead infra, is not how it will be.
  if (doing === "resume" || doing === "revive") {
    return { phase: doing === "resume" ? "failed" : "stopped", message: "it is being started again" };
  }
  const down = containers.filter((container) => container.state !== "running");
  if (down.length === 0 || doing === "replace") return { phase: "running", message: record?.want === "run" ? "" : (record?.why ?? "") };
  if (record?.want === "stopped" || record?.want === "fenced") {
    const stillRunning = down.length < containers.length && record.want === "stopped";
    return { phase: stillRunning ? "running" : record.want, message: record.why };
  }
  if (record === undefined && down.length === containers.length) return { phase: "stopped", message: "found stopped" };
  const exited = down.filter((container) => container.state === "exited");
  if (exited.length === 0) return { phase: "created", message: troubleOf(key) };
  const message = [...exited.map(exitMessage), troubleOf(key)].filter((text) => text !== "").join("; ");
  return { phase: hasCrashed(containers) ? "failed" : "stopped", message };
}

/** An app container ended by itself. Infra does not: the machine, the engine or somebody ended it, and then that is why the others ended. */
export function hasCrashed(containers: readonly OwnedContainer[]): boolean {
  const infraIsDown = containers.some(({ role, state }) => role === "infra" && state !== "running");
  return !infraIsDown && containers.some(({ state }) => state === "exited");
}

/** `web exited with 137, out of memory`. */
export function exitMessage({ container, role, exitCode, oomKilled }: OwnedContainer): string {
  const who = role === "infra" ? "the infra container" : container;
  return `${who} exited with ${exitCode ?? "an unknown code"}${oomKilled ? ", out of memory" : ""}`;
}
