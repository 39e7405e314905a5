import { UserError } from "../core/errors/user-error.ts";
import type { Hold } from "../core/memory.ts";
import type { OperatorEvent } from "../run/reconciler.ts";
import type { Picture } from "./rows.ts";

/** What an operator may say, as journal events. Each throws a UserError for an object the fleet does not have. */
export interface HoldRequest {
  /** `web`, `host/NAME` or `pool/NAME`. */
  readonly target: string;
  readonly who: string;
  readonly why: string;
  /** null: until released. */
  readonly forMs: number | null;
}

export function holdEvent(picture: Picture, request: HoldRequest): OperatorEvent {
  const { scope, name } = parseTarget(request.target);
  if (!targetExists(picture, scope, name)) throw noSuchObject(scope, name);
  const sinceMs = picture.input.nowMs;
  const untilMs = request.forMs === null ? null : sinceMs + request.forMs;
  const { who, why } = request;
  return { type: "hold.placed", hold: { scope, name, who, why, sinceMs, untilMs } };
}

export function releaseEvent(picture: Picture, request: { readonly target: string; readonly who: string }): OperatorEvent {
  const { scope, name } = parseTarget(request.target);
  if (!picture.input.memory.holds.has(`${scope}/${name}`)) {
    throw new UserError("no-such-hold", `${scope} ${name} is not held`, "List the holds with: setpoint get holds");
  }
  return { type: "hold.released", scope, name, who: request.who };
}

/** The hash may be cut short where that is clear. */
export function confirmEvent(picture: Picture, request: { readonly hash: string; readonly who: string }): OperatorEvent {
  const found = picture.plan.held.filter((held) => held.hash.startsWith(request.hash));
  const waiting = picture.plan.held.map((held) => held.hash).join(", ");
  if (found.length === 1) return { type: "destroys.confirmed", hash: found[0]!.hash, who: request.who };
  throw new UserError(
    "no-such-plan",
    found.length === 0 ? `no held destroys wait under the hash ${request.hash}` : `${found.length} held plans begin with ${request.hash}`,
    waiting === "" ? "Nothing waits to be confirmed now." : `Waiting to be confirmed: ${waiting}`,
  );
}

export const HOST_VERBS = ["cordon", "uncordon", "drain", "confirm-dead"] as const;
export type HostVerb = (typeof HOST_VERBS)[number];

export interface HostRequest {
  readonly host: string;
  readonly verb: HostVerb;
  readonly who: string;
  readonly why: string;
}

export function hostEvent(picture: Picture, request: HostRequest): OperatorEvent {
  const { host, who, why } = request;
  const known = targetExists(picture, "host", host) || picture.input.memory.hosts.has(host);
  if (!known) throw noSuchObject("host", host);
  switch (request.verb) {
    case "cordon":
      return { type: "host.state", host, state: "cordoned", who, why };
    case "drain":
      return { type: "host.state", host, state: "draining", who, why };
    case "uncordon":
      return { type: "host.state", host, state: null, who, why };
    case "confirm-dead":
      refuseDeadWhileSpeaking(picture, host);
      return { type: "host.dead", host, who, why };
  }
}

/** A host that answers is not dead; believing otherwise could run an Instance twice. */
function refuseDeadWhileSpeaking(picture: Picture, host: string): void {
  const view = picture.input.fleet.get(host);
  if (view === undefined || view.observation === null || view.problem !== "") return;
  const silentMs = picture.input.monotonicMs - (view.heardAtMs ?? picture.input.startedAtMs);
  if (silentMs > 5000) return;
  throw new UserError("host-alive", `host ${host} answers, so it is not dead`, `To empty it use: setpoint host drain ${host} --why ...`);
}

function parseTarget(target: string): { scope: Hold["scope"]; name: string } {
  const match = /^(?:(set|host|pool)\/)?([a-z0-9][a-z0-9.-]*)$/.exec(target);
  if (match !== null) return { scope: (match[1] ?? "set") as Hold["scope"], name: match[2]! };
  throw new UserError(
    "usage",
    `'${target}' can't be held`,
    "Allowed: a Set (web), a host (host/NAME) or a pool (pool/NAME). A single slot can't be held; hold its Set.",
  );
}

function targetExists({ input }: Picture, scope: Hold["scope"], name: string): boolean {
  switch (scope) {
    case "set":
      return input.desired.sets.has(name) || input.memory.sets.has(name);
    case "host":
      return input.desired.hosts.some((host) => host.name === name);
    case "pool":
      return input.desired.pools.has(name);
  }
}

function noSuchObject(scope: Hold["scope"], name: string): UserError {
  return new UserError("no-such-object", `there is no ${scope} '${name}'`, `List them with: setpoint get ${scope}s`);
}
