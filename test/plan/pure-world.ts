import type { Capability, Desired, DesiredHost, DesiredSet } from "../../reconciler/core/desired.ts";
import type { EventBody } from "../../reconciler/core/events.ts";
import { parseSlotKey, slotKey, trashKey } from "../../reconciler/core/ids.ts";
import type { Memory, Restore } from "../../reconciler/core/memory.ts";
import type { HostObservation, ObservedInstance, ObservedPort, ObservedVolume, TrashedVolume } from "../../reconciler/core/observation.ts";
import { wholeExtents } from "../../reconciler/core/volumes.ts";
import { compareInstances } from "../../reconciler/core/order.ts";
import type { Action, Plan, PlanInput } from "../../reconciler/core/plan.ts";
import { check } from "../../reconciler/plan/check/check.ts";
import { settledSet } from "../../reconciler/plan/diff/settled.ts";
import { slotFacts } from "../../reconciler/plan/diff/slot-facts.ts";
import { holdingsOf, type Holdings } from "../../reconciler/plan/fleet/holdings.ts";
import { createHostTable, floorOn, hostLookup, refreshHosts } from "../../reconciler/plan/fleet/host-table.ts";
import { createSightings } from "../../reconciler/plan/fleet/sightings.ts";
import { draftSet, type FleetFacts } from "../../reconciler/plan/set-draft.ts";
import { createPlanner, plan as freshPlan, type Planner } from "../../reconciler/plan/planner.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";

/** A host of the plainest kind: every step works at once, in the order of the plan. */
interface PureHost {
  readonly name: string;
  readonly desired: DesiredHost;
  instances: ObservedInstance[];
  ports: ObservedPort[];
  volumes: ObservedVolume[];
  trash: TrashedVolume[];
  images: string[];
  floors: Record<string, number>;
  version: number;
  heardAtMs: number;
  silent: boolean;
  capabilities: readonly Capability[];
  observation: HostObservation | null;
}

const ALL: readonly Capability[] = ["cgroup", "docker", "lvm", "ovs", "tc"];

/** What came of one pass in the pure world. */
export interface PassResult {
  readonly input: PlanInput;
  readonly plan: Plan;
}

/**
 * Plans and carries out passes without time, failure or concurrency: for golden plans and properties of the planner alone.
 * Every pass asserts that the incremental plan is the fresh one and that `check` finds nothing.
 */
export class PureWorld {
  nowMs = Date.UTC(2026, 0, 5, 12, 0, 0);
  destroysFrozen: string | null = null;
  memory: Memory = emptyMemory();
  desired: Desired | null = null;
  /** Says which actions fail, with what. */
  fails: (action: Action) => { readonly code: string; readonly message: string } | null = () => null;
  readonly hosts = new Map<string, PureHost>();
  #planner: Planner = createPlanner();
  readonly #startedAtMs = 0;

  commit(desired: Desired): void {
    this.desired = desired;
    for (const host of desired.hosts) {
      const known = this.hosts.get(host.name);
      if (known === undefined) this.hosts.set(host.name, newHost(host, this.monotonicMs));
    }
    this.record({ type: "revision.accepted", commit: desired.revision.commit, hosts: desired.hosts.map((host) => host.name) });
    this.record({ type: "host.inventoried", hosts: [...(this.memory.uninventoried ?? [])] });
  }

  get monotonicMs(): number {
    return this.nowMs;
  }

  record(event: EventBody): void {
    this.memory = fold(this.memory, [{ ...event, atMs: this.nowMs }]);
  }

  /** An operator wants the newest volume of a slot back from the trash. */
  askRestore(of: string, options: { readonly into?: string; readonly replace?: boolean } = {}): Restore {
    const entries = [...this.hosts.values()].flatMap((host) => host.trash.map((entry) => ({ host: host.name, entry })));
    const { host, entry } = entries.filter((found) => slotKey(found.entry.set, found.entry.index) === of).at(-1)!;
    const from = { set: entry.set, index: entry.index, volume: entry.name };
    const to = { ...parseSlotKey(options.into ?? of)!, volume: entry.name };
    const { id: trashId, trashedAtMs, kind } = entry;
    const said = { who: "ada", why: "a test", sinceMs: this.nowMs };
    this.record({
      type: "restore.asked",
      restore: { host, trashId, trashedAtMs, kind, from, to, replace: options.replace === true, ...said },
    });
    return this.memory.restores.get(trashKey(host, trashId))!;
  }

  host(name: string): PureHost {
    return this.hosts.get(name)!;
  }

  /** Drivers come and go. */
  setCapabilities(name: string, capabilities: readonly Capability[]): void {
    const host = this.host(name);
    host.capabilities = capabilities;
    host.version++;
    host.observation = null;
  }

  /** The reconciler is started again: what it worked out is forgotten, the journal is not. */
  restart(): void {
    this.#planner = createPlanner();
  }

  /** The same hosts under a reconciler whose journal is gone. */
  withoutJournal(): PureWorld {
    const survivor = new PureWorld();
    for (const [name, host] of this.hosts) survivor.hosts.set(name, host);
    survivor.nowMs = this.nowMs;
    survivor.commit(this.desired!);
    return survivor;
  }

  /** Changes an Instance behind the reconciler's back. */
  tamper(set: string, index: number, change: Partial<ObservedInstance> | null): void {
    for (const host of this.hosts.values()) {
      host.instances = host.instances.flatMap((instance) => {
        if (instance.set !== set || instance.index !== index) return [instance];
        return change === null ? [] : [{ ...instance, ...change }];
      });
      host.observation = null;
    }
  }

  input(): PlanInput {
    const fleet = new Map(
      [...this.hosts.values()].map((host) => {
        if (!host.silent) host.heardAtMs = this.monotonicMs;
        if (!host.silent) host.observation ??= observe(host);
        return [host.name, { observation: host.observation, heardAtMs: host.heardAtMs, problem: host.silent ? "cut off" : "" }];
      }),
    );
    return {
      nowMs: this.nowMs,
      monotonicMs: this.monotonicMs,
      startedAtMs: this.#startedAtMs,
      desired: this.desired!,
      destroysFrozen: this.destroysFrozen,
      memory: this.memory,
      fleet,
      busy: new Set(),
    };
  }

  /** Plans without doing anything. */
  plan(): PassResult {
    const input = this.input();
    const plan = this.#planner.plan(input);
    const fresh = freshPlan(input);
    if (JSON.stringify(plan) !== JSON.stringify(fresh)) {
      throw new Error(`incremental plan differs\n${JSON.stringify(plan, null, 1)}\nfresh\n${JSON.stringify(fresh, null, 1)}`);
    }
    assertSettled(input);
    const violations = check(input, plan);
    if (violations.length > 0) throw new Error(`check: ${JSON.stringify(violations, null, 1)}`);
    return { input, plan };
  }

  /**
   * One pass; `stopAfter` carries out only so many actions, as if the reconciler had died. `inOrder`: which go first, each after those
   * it needs; default: slot by slot.
   */
  pass(stopAfter = Infinity, inOrder: (actions: readonly Action[]) => readonly Action[] = (actions) => actions): PassResult {
    const result = this.plan();
    for (const intent of result.plan.intents) this.record(intent);
    const failed = new Set<number>();
    for (const action of inOrder(result.plan.actions).slice(0, stopAfter)) {
      if (action.needs.some((need) => failed.has(need))) {
        failed.add(action.number);
        continue;
      }
      const failure = this.fails(action) ?? this.unhealthy(action);
      if (failure !== null) failed.add(action.number);
      this.carryOut(action, failure);
    }
    return result;
  }

  /** Passes until a plan has no work left; returns how many passes worked. */
  converge(most = 30): number {
    for (let passes = 0; passes < most; passes++) {
      const { plan } = this.pass();
      const waits = plan.changes.some((change) => change.decision.code === "wait.backoff");
      if (plan.actions.length === 0 && plan.intents.length === 0 && !waits) return passes;
      this.nowMs = waits ? Math.max(this.nowMs + 1_000, plan.wakeAtMs ?? 0) : this.nowMs + 1_000;
    }
    throw new Error(`not converged after ${most} passes: ${JSON.stringify(this.plan().plan.changes, null, 1)}`);
  }

  running(): string[] {
    return [...this.hosts.values()]
      .flatMap((host) => host.instances.map((instance) => `${slotKey(instance.set, instance.index)}@${host.name}`))
      .sort();
  }

  /** Waiting for the health of what is not healthy fails. */
  private unhealthy(action: Action): { readonly code: string; readonly message: string } | null {
    if (action.kind !== "awaitHealthy") return null;
    const instance = this.host(action.host).instances.find(
      (other) => other.set === action.set && other.index === action.index && other.generation === action.generation,
    );
    return instance?.healthy === true ? null : { code: "unhealthy", message: "its health check fails" };
  }

  private carryOut(action: Action, failure: { readonly code: string; readonly message: string } | null): void {
    const id = `${this.memory.plans}.${action.number}.${this.memory.sequence}`;
    const { kind, host, set, index, generation, taskId, input } = action;
    this.record({ type: "action.started", id, kind, host, set, index, generation, taskId });
    if (failure === null) applyAction(this.hosts.get(host)!, action, this.nowMs);
    const outcome = failure === null ? "done" : "failed";
    this.record({ type: "action.ended", id, outcome, code: failure?.code ?? "", message: failure?.message ?? "", input });
  }
}

/** What is recognised as settled at a glance is found settled by the closer look as well. */
function assertSettled(input: PlanInput): void {
  const statuses = createHostTable();
  refreshHosts(input, statuses);
  const sightings = createSightings();
  for (const [host, { observation }] of input.fleet) sightings.update(host, null, observation);
  const zones = (set: DesiredSet): number =>
    new Set(input.desired.hosts.filter((host) => set.pools.includes(host.pool)).map((host) => host.zone)).size;
  const fleet: FleetFacts = {
    input,
    hostOf: hostLookup(input, statuses),
    floorOf: (host, set, index) => floorOn(input.fleet.get(host)?.observation ?? null, set, index),
    otherHolder: () => null,
    zonesOf: zones,
    wishesOf: () => [],
    uninventoried: () => null,
  };
  for (const [name, set] of input.desired.sets) {
    const memory = input.memory.sets.get(name) ?? null;
    const seen = sightings.of(name);
    const context = { nowMs: input.nowMs, zones: zones(set), statusOf: (host: string) => statuses.statuses.get(host) };
    const settled = memory === null ? null : settledSet(context, set, memory, seen);
    if (settled === null) continue;
    const adoptions: EventBody[] = [];
    const facts = slotFacts(name, memory, seen, adoptions);
    const { assessments } = draftSet(fleet, name, set, memory, { facts, adoptions });
    const kinds = [...assessments.values()].map((assessment) => assessment.kind);
    const held = (holdings: Holdings): string[] => [
      ...holdings.rooms.map(({ host, claim }) => JSON.stringify([host, claim.resources, claim.hostPorts, claim.core])).sort(),
      ...holdings.leases.map(({ ip, slot }) => `${ip} ${slot}`).sort(),
    ];
    const differs = JSON.stringify(held(settled.holdings)) !== JSON.stringify(held(holdingsOf(name, facts.values())));
    if (adoptions.length > 0 || kinds.length !== settled.slots || kinds.some((kind) => kind !== "keep") || differs) {
      throw new Error(`${name} looks settled and is not: ${JSON.stringify([...assessments])}`);
    }
  }
}

function newHost(desired: DesiredHost, heardAtMs: number): PureHost {
  const nothing = { instances: [], ports: [], volumes: [], trash: [], images: [], floors: {} };
  return { name: desired.name, desired, ...nothing, version: 0, heardAtMs, silent: false, capabilities: ALL, observation: null };
}

function observe(host: PureHost): HostObservation {
  host.version++;
  const { name, instances, ports, volumes, trash, images, floors, version, desired } = host;
  return {
    host: name,
    boot: "1",
    version,
    capacity: desired.capacity,
    capabilities: host.capabilities,
    instances: [...instances].sort(compareInstances),
    volumes: [...volumes],
    trash: [...trash],
    ports: [...ports],
    images: [...images].sort(),
    floors: { ...floors },
    foreign: [],
  };
}

function applyAction(host: PureHost, action: Action, nowMs: number): void {
  const { set, index, generation, taskId } = action;
  const isSlot = (other: { set: string; index: number }): boolean => other.set === set && other.index === index;
  const isIt = (other: ObservedInstance): boolean => isSlot(other) && other.generation === generation;
  host.observation = null;
  switch (action.kind) {
    case "pullImage":
      host.images = [...new Set([...host.images, action.image])];
      return;
    case "createVolume":
      host.volumes.push({
        set,
        index,
        name: action.volume,
        usedBytes: 0,
        ...(action.filesystem === null
          ? { kind: "dir", sizeBytes: action.sizeBytes }
          : { kind: "lvm", sizeBytes: wholeExtents(action.sizeBytes) }),
      });
      return;
    case "growVolume":
      host.volumes = host.volumes.map((volume) =>
        isSlot(volume) && volume.name === action.volume
          ? { ...volume, sizeBytes: volume.kind === "dir" ? action.sizeBytes : wholeExtents(action.sizeBytes) }
          : volume,
      );
      return;
    case "attachPort":
      host.ports = [...host.ports.filter((port) => !isSlot(port)), { set, index, generation, ip: action.ip }];
      return;
    case "startInstance":
      host.instances = [...host.instances.filter((other) => !isIt(other)), instanceOf(action, nowMs)];
      return;
    case "updateLive":
    case "replaceContainers":
      host.instances = host.instances.map((other) =>
        isIt(other) ? { ...other, ...describeSpec(action.spec), phase: "running", healthy: true } : other,
      );
      return;
    case "stopInstance":
      host.instances = host.instances.map((other) => (isIt(other) ? { ...other, phase: "stopped", healthy: false } : other));
      return;
    case "removeInstance":
      host.instances = host.instances.filter((other) => !isIt(other));
      host.floors[slotKey(set, index)] = Math.max(host.floors[slotKey(set, index)] ?? 1, generation + 1);
      return;
    case "detachPort":
      host.ports = host.ports.filter((port) => !isSlot(port));
      return;
    case "trashVolume": {
      const volume = host.volumes.find((candidate) => isSlot(candidate) && candidate.name === action.volume)!;
      host.volumes = host.volumes.filter((candidate) => candidate !== volume);
      host.trash.push({ ...volume, id: `${set}-${index}-${volume.name}-${generation}`, trashedAtMs: nowMs, taskId, commit: action.commit });
      return;
    }
    case "restoreVolume": {
      const { id, trashedAtMs: _at, taskId: _task, commit: _commit, ...volume } = host.trash.find((entry) => entry.id === action.trashId)!;
      host.trash = host.trash.filter((entry) => entry.id !== id);
      host.volumes.push({ ...volume, set, index, name: action.volume });
      return;
    }
    case "purgeVolume":
      host.trash = host.trash.filter((entry) => entry.id !== action.trashId);
      return;
    case "awaitHealthy":
    case "confirmGone":
      return;
    default:
      return action satisfies never;
  }
}

type Spec = Extract<Action, { kind: "startInstance" }>["spec"];

function describeSpec(
  spec: Spec,
): Pick<
  ObservedInstance,
  "infraHash" | "containerHashes" | "specHash" | "live" | "liveHash" | "resources" | "hostPorts" | "images" | "exclusive" | "priority"
> {
  const { infraHash, containerHashes, specHash, live, liveHash, resources, hostPorts, exclusive, priority } = spec;
  const images = Object.fromEntries(spec.template.containers.map((container) => [container.name, container.image]));
  return { infraHash, containerHashes, specHash, live, liveHash, resources, hostPorts, exclusive, priority, images };
}

function instanceOf(action: Extract<Action, { kind: "startInstance" }>, _nowMs: number): ObservedInstance {
  const { set, index, generation, taskId, ip, spec } = action;
  return { set, index, generation, phase: "running", healthy: true, ...describeSpec(spec), ip, taskId, message: "" };
}
