import { StepError, type InstanceRef } from "../ports.ts";
import type { Api } from "./api.ts";
import { ApiError, hasStatus } from "./api-error.ts";
import type { CreateCall } from "./bodies.ts";
import { seconds } from "./bodies.ts";
import { instanceLabels, labelFilter, type Labels, type OwnedLabels, type Owner, readLabels } from "./labels.ts";
import type { DockerLimits } from "./limits.ts";

/*
 * Calls on containers as the engine has them. All may be done twice: what is there already, or gone already, is done.
 */

/** What of Docker's inspect is read; names are Docker's. */
export interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Pid: number;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly StartedAt: string;
  };
  readonly Config: { readonly Labels: Labels | null };
  readonly HostConfig: DockerLimits & { readonly NetworkMode: string };
}

/** What of Docker's list of containers is read; names are Docker's. */
export interface Listed {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly State: string;
  readonly Labels: Labels | null;
  readonly HostConfig: { readonly NetworkMode: string };
}

/** Docker's answer to a create call. */
interface Created {
  readonly Id: string;
  readonly Warnings?: readonly string[] | null;
}

/** A container of one Instance, from a list. */
export interface Member extends OwnedLabels {
  readonly id: string;
  /** Docker's word. */
  readonly state: string;
}

const TRIES = 100;
const EVERY_MS = 100;

/** The new container's id; null when the name is taken. */
export async function create(api: Api, { name, body }: CreateCall, signal: AbortSignal): Promise<string | null> {
  try {
    const made = await api.call<Created>({ method: "POST", path: "/containers/create", query: { name }, body, signal });
    // Docker only warns of it: the container would run, and be killed, without what was asked for.
    const dropped = body.HostConfig.OomKillDisable === true && made.Warnings?.find((text) => /OomKillDisable/i.test(text));
    if (dropped === undefined || dropped === false) return made.Id;
    await remove(api, made.Id, signal);
    const text = `oomKillDisable needs version 1 of cgroups, which this host does not have: ${dropped}`;
    throw new StepError("option-refused", text, { retry: "permanent" });
  } catch (error) {
    if (hasStatus(error, 409)) return null;
    throw error;
  }
}

/** Null for one that is not there. */
export async function inspect(api: Api, idOrName: string, signal: AbortSignal): Promise<Inspected | null> {
  try {
    return await api.call<Inspected>({ method: "GET", path: `/containers/${idOrName}/json`, signal });
  } catch (error) {
    if (hasStatus(error, 404)) return null;
    throw error;
  }
}

/** As inspect, for one of our names. Rejects with `not-ours` for a container that is someone else's. */
export async function inspectOurs(api: Api, owner: Owner, name: string, signal: AbortSignal): Promise<(Inspected & OwnedLabels) | null> {
  const found = await inspect(api, name, signal);
  if (found === null) return null;
  const labels = readLabels(found.Config.Labels, owner);
  if (labels === null) {
    const text = `the container ${name} on ${owner.host} belongs to someone else`;
    throw new StepError("not-ours", text, { retry: "permanent", outcome: "refused" });
  }
  return { ...found, ...labels };
}

/** The containers of one Instance in launch order, infra first. */
export async function listMembers(api: Api, owner: Owner, ref: InstanceRef, signal: AbortSignal, deadlineMs?: number): Promise<Member[]> {
  const query = { all: "1", ...labelFilter(instanceLabels(owner, ref)) };
  const limit = deadlineMs === undefined ? {} : { deadlineMs };
  const listed = await api.call<Listed[]>({ method: "GET", path: "/containers/json", query, signal, ...limit });
  return listed
    .flatMap(({ Id, State, Labels }) => {
      const labels = readLabels(Labels, owner);
      return labels === null ? [] : [{ ...labels, id: Id, state: State }];
    })
    .sort((a, b) => a.position - b.position);
}

export async function start(api: Api, id: string, signal: AbortSignal): Promise<void> {
  await api.call({ method: "POST", path: `/containers/${id}/start`, signal });
}

/** SIGTERM (or the image's own stop signal), and SIGKILL after the timeout. */
export async function stop(api: Api, id: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  await stopCall(api, id, "stop", timeoutMs, signal);
}

/** Stop and start, which also joins the present network of infra. */
export async function restart(api: Api, id: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  await stopCall(api, id, "restart", timeoutMs, signal);
}

async function stopCall(api: Api, id: string, verb: "stop" | "restart", timeoutMs: number, signal: AbortSignal): Promise<void> {
  const query = { t: String(seconds(timeoutMs)) };
  const deadlineMs = timeoutMs + api.deadlines.writeMs;
  await api.call({ method: "POST", path: `/containers/${id}/${verb}`, query, deadlineMs, waits: true, signal });
}

/** SIGKILL; returns when the container's first process has ended. */
export async function kill(api: Api, id: string, deadlineMs: number, signal: AbortSignal): Promise<void> {
  try {
    await api.call({ method: "POST", path: `/containers/${id}/kill`, query: { signal: "KILL" }, deadlineMs, signal });
  } catch (error) {
    // 409: it does not run; 404: it is gone.
    if (!hasStatus(error, 404) && !hasStatus(error, 409)) throw error;
  }
}

/** Kills and removes it, with the volumes that only it has; returns when it can't be seen any more. */
export async function remove(api: Api, id: string, signal: AbortSignal): Promise<void> {
  try {
    await api.call({ method: "DELETE", path: `/containers/${id}`, query: { force: "1", v: "1" }, signal });
  } catch (error) {
    if (hasStatus(error, 404)) return;
    if (!(error instanceof ApiError) || error.status !== 409) throw error;
    await untilGone(api, id, error, signal);
  }
}

/** Someone else removes it already: waits for that. */
async function untilGone(api: Api, id: string, error: ApiError, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if ((await inspect(api, id, signal)) === null) return;
    await api.clock.sleep(EVERY_MS, signal);
  }
  throw error;
}
