import type { IncomingMessage } from "node:http";
import { WIRE_VERSION, type ApplyRequest, type LeaseEcho } from "../../core/agent-wire.ts";
import { UserError } from "../../core/errors/user-error.ts";
import type { HostSettings } from "../../core/host-settings.ts";
import type { Action } from "../../core/plan.ts";
import { STEP_KINDS } from "../apply/steps.ts";

/** 5000 steps with their specs are a few MiB. */
const LARGEST_BODY_BYTES = 32 * 1024 * 1024;
const BODY_WITHIN_MS = 60_000;
/** Steps in one request. */
const MOST_ACTIONS = 5000;
/** Longest deadline a step may ask for. */
const LONGEST_STEP_MS = 24 * 3_600_000;

/** The caller's fleet. Throws a UserError for a caller that speaks another version. */
export function readCaller(request: IncomingMessage): string {
  const version = request.headers["setpoint-wire"];
  if (version !== String(WIRE_VERSION)) {
    const theirs = version === undefined ? "none" : `version ${String(version)}`;
    throw new UserError(
      "agent-wire",
      `this agent speaks version ${WIRE_VERSION} of the protocol, the caller ${theirs}`,
      "Install the same version of setpoint on both machines.",
    );
  }
  const fleet = request.headers["setpoint-fleet"];
  if (typeof fleet !== "string" || fleet === "") throw badRequest("the header setpoint-fleet is missing");
  return fleet;
}

/** The body as JSON. Throws a UserError when it is none, too large or too slow. */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const timer = setTimeout(() => request.destroy(new Error("the body came too slowly")), BODY_WITHIN_MS);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > LARGEST_BODY_BYTES) throw badRequest(`the body is larger than ${LARGEST_BODY_BYTES} bytes`);
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw error instanceof UserError ? error : badRequest(`the body is not JSON: ${(error as Error).message}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Checked as far as the agent itself relies on it; what goes on to a driver is checked there. */
export function readSettings(body: unknown): HostSettings {
  const settings = asObject(body, "the settings");
  requireText(settings, "fleet", "host");
  const network = asObject(settings["network"], "network");
  requireText(network, "driver", "cidr", "gateway", "bridge", "datapath");
  if (network["driver"] !== "bridge" && network["driver"] !== "ovs")
    throw badRequest(`network.driver is ${String(network["driver"])}; allowed: bridge, ovs`);
  const { leaseForMs, cpus } = settings;
  if (leaseForMs !== null && !(typeof leaseForMs === "number" && leaseForMs > 0))
    throw badRequest("leaseForMs must be a number above 0, or null");
  if (cpus !== null && typeof cpus !== "string") throw badRequest("cpus must be a text or null");
  return body as HostSettings;
}

export function readEcho(body: unknown): LeaseEcho {
  const { boot, beat } = asObject(body, "the echo");
  if (typeof boot !== "string" || typeof beat !== "number") throw badRequest("boot and beat are needed");
  return { boot, beat };
}

export function readActions(body: unknown, host: string): readonly Action[] {
  const { actions } = asObject(body, "the request") as Partial<ApplyRequest>;
  if (!Array.isArray(actions)) throw badRequest("actions must be a list");
  if (actions.length > MOST_ACTIONS) throw badRequest(`${actions.length} steps at once; at most ${MOST_ACTIONS}`);
  for (const action of actions as readonly unknown[]) checkAction(asObject(action, "a step"), host);
  return actions as readonly Action[];
}

function checkAction(action: Readonly<Record<string, unknown>>, host: string): void {
  requireText(action, "kind", "host", "set", "taskId");
  const { kind, number, index, generation, deadlineMs } = action;
  if (!(STEP_KINDS as readonly unknown[]).includes(kind)) throw badRequest(`there is no step ${String(kind)}`);
  if (action["host"] !== host) throw badRequest(`a step is for ${String(action["host"])}, and this is ${host}`);
  for (const value of [number, index])
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw badRequest("number and index must be integers from 0");
  // What lies in the trash belongs to no generation.
  const least = kind === "purgeVolume" ? 0 : 1;
  if (!Number.isSafeInteger(generation) || (generation as number) < least) throw badRequest(`generation must be an integer from ${least}`);
  if (typeof deadlineMs !== "number" || !(deadlineMs > 0 && deadlineMs <= LONGEST_STEP_MS))
    throw badRequest("deadlineMs must be above 0 and at most a day");
  const lacks = (NEEDED[kind as string] ?? []).find((name) => action[name] === undefined);
  if (lacks !== undefined) throw badRequest(`the step ${String(kind)} lacks ${lacks}`);
}

const NEEDED: Readonly<Record<string, readonly string[]>> = {
  pullImage: ["image"],
  attachPort: ["ip", "vlan", "ingressBps", "egressBps"],
  startInstance: ["spec", "ip"],
  updateLive: ["live", "liveHash", "spec"],
  replaceContainers: ["containers", "spec"],
  stopInstance: ["graceMs"],
  createVolume: ["volume", "filesystem", "sizeBytes"],
  growVolume: ["volume", "sizeBytes"],
  trashVolume: ["volume", "commit", "trashedAtMs"],
  restoreVolume: ["volume", "trashId", "trashedAtMs"],
  purgeVolume: ["trashId", "trashedAtMs"],
};

function asObject(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw badRequest(`${what} must be an object`);
  return value as Readonly<Record<string, unknown>>;
}

function requireText(object: Readonly<Record<string, unknown>>, ...names: readonly string[]): void {
  for (const name of names) if (typeof object[name] !== "string" || object[name] === "") throw badRequest(`${name} must be a text`);
}

export function badRequest(message: string): UserError {
  return new UserError("agent-request", message, "Use the same version of setpoint on the reconciler's side and on the host.");
}
