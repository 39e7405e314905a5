import type { Priority } from "../../core/desired.ts";
import type { Resources } from "../../core/resources.ts";
import type { InstanceLabels, InstanceRef, StartRequest } from "../ports.ts";

/** Whose containers these are: stands on every container and volume. */
export interface Owner {
  readonly fleet: string;
  readonly host: string;
}

/** One container of an Instance, as it is written on it. */
export interface Part {
  readonly role: "infra" | "app";
  readonly container: string;
  /** In launch order; infra is 0. */
  readonly position: number;
  /** What the container was made from. */
  readonly hash: string;
  readonly image: string;
  readonly stopTimeoutMs: number;
  readonly preStop: readonly string[] | null;
}

/** All that the labels of an owned container say. */
export interface OwnedLabels extends InstanceRef, Part {
  readonly instance: InstanceLabels;
}

export type Labels = Readonly<Record<string, string>>;

export const FLEET_LABEL = "setpoint.fleet";

/** `setpoint.web-3.g2`, beginning of all names of an Instance. A Set's name has no dot. */
function prefix({ set, index, generation }: InstanceRef): string {
  return `setpoint.${set}-${index}.g${generation}`;
}

/** No app container has this name: theirs have no underscore. */
export function infraName(ref: InstanceRef): string {
  return `${prefix(ref)}._infra`;
}

export function appName(ref: InstanceRef, container: string): string {
  return `${prefix(ref)}.${container}`;
}

export function volumeName(ref: InstanceRef, volume: string): string {
  return `${prefix(ref)}.${volume}`;
}

/** Of a volume that belongs to the slot, whatever generation uses it. Docker's names are one space for all fleets of a host. */
export function slotVolumeName({ fleet }: Owner, { set, index }: InstanceRef, volume: string): string {
  return `setpoint.${fleet}.${set}-${index}.${volume}`;
}

/** Of such a volume. No generation: what removes an Instance does not find it. */
export function slotLabels({ fleet }: Owner, { set, index }: InstanceRef, volume: string): Labels {
  return { [FLEET_LABEL]: fleet, "setpoint.set": set, "setpoint.index": String(index), "setpoint.volume": volume };
}

/** True when the labels name this owner's fleet. */
export function isOurs(labels: Labels | null | undefined, owner: Owner): boolean {
  return labels?.[FLEET_LABEL] === owner.fleet;
}

/** What identifies an Instance among our containers and volumes; also a filter for lists. */
export function instanceLabels(owner: Owner, ref: InstanceRef): Labels {
  return {
    [FLEET_LABEL]: owner.fleet,
    "setpoint.set": ref.set,
    "setpoint.index": String(ref.index),
    "setpoint.generation": String(ref.generation),
  };
}

/** `filters` of a list call: exactly these labels, and what else is asked for. */
export function labelFilter(labels: Labels, rest: Readonly<Record<string, readonly string[]>> = {}): { readonly filters: string } {
  return { filters: JSON.stringify({ label: Object.entries(labels).map(([key, value]) => `${key}=${value}`), ...rest }) };
}

/** Labels of one container: everything an observation needs and the engine does not know by itself. */
export function containerLabels(owner: Owner, ref: InstanceRef, request: StartRequest, part: Part): Labels {
  const { spec } = request;
  return {
    ...instanceLabels(owner, ref),
    "setpoint.host": owner.host,
    "setpoint.role": part.role,
    "setpoint.container": part.container,
    "setpoint.position": String(part.position),
    "setpoint.hash": part.hash,
    "setpoint.image": part.image,
    "setpoint.stop-timeout-ms": String(part.stopTimeoutMs),
    "setpoint.pre-stop": JSON.stringify(part.preStop),
    "setpoint.spec-hash": spec.specHash,
    "setpoint.infra-hash": spec.infraHash,
    "setpoint.task": request.taskId,
    "setpoint.ip": request.ip,
    "setpoint.exclusive": String(spec.exclusive),
    "setpoint.priority": spec.priority,
    "setpoint.host-ports": JSON.stringify(spec.hostPorts),
    "setpoint.resources": JSON.stringify(spec.resources),
  };
}

/** Inverse of containerLabels; null for labels that are not this owner's, or that someone changed beyond reading. */
export function readLabels(labels: Labels | null | undefined, owner: Owner): OwnedLabels | null {
  if (labels === null || labels === undefined || !isOurs(labels, owner)) return null;
  const text = (name: string): string => {
    const value = labels[`setpoint.${name}`];
    if (value === undefined) throw new SyntaxError(`the label setpoint.${name} is missing`);
    return value;
  };
  const number = (name: string): number => {
    const value = Number(text(name));
    if (!Number.isSafeInteger(value) || value < 0) throw new SyntaxError(`the label setpoint.${name} is no number`);
    return value;
  };
  try {
    return {
      set: text("set"),
      index: number("index"),
      generation: number("generation"),
      role: text("role") === "infra" ? "infra" : "app",
      container: text("container"),
      position: number("position"),
      hash: text("hash"),
      image: text("image"),
      stopTimeoutMs: number("stop-timeout-ms"),
      preStop: JSON.parse(text("pre-stop")) as readonly string[] | null,
      instance: readInstance(text),
    };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function readInstance(text: (name: string) => string): InstanceLabels {
  return {
    specHash: text("spec-hash"),
    infraHash: text("infra-hash"),
    taskId: text("task"),
    ip: text("ip"),
    exclusive: text("exclusive") === "true",
    priority: text("priority") as Priority,
    hostPorts: JSON.parse(text("host-ports")) as readonly number[],
    resources: JSON.parse(text("resources")) as Resources,
    image: text("image"),
  };
}
