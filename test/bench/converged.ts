import type { Desired, DesiredHost } from "../../reconciler/core/desired.ts";
import type { EventBody, JournalEvent } from "../../reconciler/core/events.ts";
import type { Memory } from "../../reconciler/core/memory.ts";
import type { Fleet, HostObservation, ObservedInstance, ObservedPort, ObservedVolume } from "../../reconciler/core/observation.ts";
import { compareInstances, compareSlots } from "../../reconciler/core/order.ts";
import type { Action, Plan, PlanInput } from "../../reconciler/core/plan.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";

const NOW_MS = Date.UTC(2026, 0, 5, 12);

/** What a pass over these hosts and this memory is given. */
export function inputOf(desired: Desired, memory: Memory, fleet: Fleet): PlanInput {
  return { nowMs: NOW_MS, monotonicMs: 1_000_000, startedAtMs: 0, desired, destroysFrozen: null, memory, fleet, busy: new Set() };
}

/** The events of a first commit, before any plan. */
export function firstEvents(desired: Desired): JournalEvent[] {
  const hosts = desired.hosts.map((host) => host.name);
  return stamped([
    { type: "revision.accepted", commit: desired.revision.commit, hosts },
    { type: "host.inventoried", hosts },
  ]);
}

/** Hosts on which nothing runs. */
export function emptyFleet(desired: Desired): Fleet {
  return fleetOf(desired, new Map());
}

/** Every step of a plan of creates carried out without trouble: what hosts then show, and all that was journalled on the way. */
export function carriedOut(
  desired: Desired,
  plan: Plan,
): { readonly fleet: Fleet; readonly events: readonly JournalEvent[]; readonly memory: Memory } {
  const events = [...firstEvents(desired), ...stamped([...plan.intents, ...plan.actions.flatMap(stepEvents), ...closings(plan)])];
  const byHost = Map.groupBy(plan.actions, (action) => action.host);
  return { fleet: fleetOf(desired, byHost), events, memory: fold(emptyMemory(), events) };
}

function stamped(bodies: readonly EventBody[]): JournalEvent[] {
  return bodies.map((body) => ({ ...body, atMs: NOW_MS }));
}

function stepEvents({ number, kind, host, set, index, generation, taskId, input }: Action): EventBody[] {
  const id = `1.${number}`;
  return [
    { type: "action.started", id, kind, host, set, index, generation, taskId },
    { type: "action.ended", id, outcome: "done", code: "", message: "", input },
  ];
}

function closings(plan: Plan): EventBody[] {
  return plan.intents.flatMap((event): EventBody[] =>
    event.type === "task.opened"
      ? [{ type: "task.closed", set: event.set, taskId: event.taskId, verdict: "Succeeded", why: "every slot is as the manifest asks" }]
      : [],
  );
}

function fleetOf(desired: Desired, byHost: ReadonlyMap<string, readonly Action[]>): Fleet {
  return new Map(
    desired.hosts.map((host) => [
      host.name,
      { observation: observe(host, byHost.get(host.name) ?? []), heardAtMs: 1_000_000, problem: "" },
    ]),
  );
}

function observe(host: DesiredHost, actions: readonly Action[]): HostObservation {
  const instances: ObservedInstance[] = [];
  const ports: ObservedPort[] = [];
  const volumes: ObservedVolume[] = [];
  const images = new Set<string>();
  for (const action of actions) {
    const { set, index, generation, taskId } = action;
    if (action.kind === "pullImage") images.add(action.image);
    if (action.kind === "attachPort") ports.push({ set, index, generation, ip: action.ip });
    if (action.kind === "createVolume")
      volumes.push({ set, index, name: action.volume, kind: "lvm", sizeBytes: action.sizeBytes, usedBytes: 0 });
    if (action.kind === "startInstance") {
      const { template, ...spec } = action.spec;
      const names = Object.fromEntries(template.containers.map((container) => [container.name, container.image]));
      instances.push({
        set,
        index,
        generation,
        phase: "running",
        healthy: true,
        ...spec,
        ip: action.ip,
        images: names,
        taskId,
        message: "",
      });
    }
  }
  return {
    host: host.name,
    boot: "1",
    version: 1,
    capacity: host.capacity,
    capabilities: ["cgroup", "docker", "lvm", "ovs", "tc"],
    instances: instances.sort(compareInstances),
    volumes: volumes.sort(compareSlots),
    trash: [],
    ports: ports.sort(compareSlots),
    images: [...images].sort(),
    floors: {},
    foreign: [],
  };
}
