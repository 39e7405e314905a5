import type { ContainerLimits } from "../../core/desired.ts";
import { type InstanceRef, type StartRequest, StepError, type Wire } from "../ports.ts";
import type { Api } from "./api.ts";
import { ApiError } from "./api-error.ts";
import { appCreate, isUnwired, limitsOf } from "./bodies.ts";
import { inspect, inspectOurs, listMembers, restart, start } from "./containers.ts";
import { appName, infraName } from "./labels.ts";
import { hasLimits, updateBody } from "./limits.ts";
import { memoryInUse, sharesNetwork } from "./processes.ts";
import { ensure, type Host, prepare, wireInfra, withHosts } from "./start.ts";
import { retire } from "./stop.ts";

/** Starts what does not run, infra first; app containers that run in a network which infra left behind are restarted. */
export async function resumeInstance({ api, owner }: Host, ref: InstanceRef, wire: Wire, signal: AbortSignal): Promise<void> {
  const [infra, ...apps] = await listMembers(api, owner, ref, signal);
  if (infra?.role !== "infra") throw missing(ref, owner.host);
  if ((await pidOf(api, infra.id, signal)) === 0) await start(api, infra.id, signal);
  const infraPid = await wireInfra(api, infra.id, wire, signal);
  for (const app of apps) {
    const pid = await pidOf(api, app.id, signal);
    if (pid === 0) await start(api, app.id, signal);
    else if (!sharesNetwork(infraPid, pid)) await restart(api, app.id, app.stopTimeoutMs, signal);
  }
}

/** 0 for a container that does not run. Not taken from a list: that shows the dead as alive for a moment. */
async function pidOf(api: Api, id: string, signal: AbortSignal): Promise<number> {
  return (await inspect(api, id, signal))?.State.Pid ?? 0;
}

/** Stops, removes and makes anew just these app containers, one after the other, so that each is away as short as can be. */
export async function replaceContainers(
  host: Host,
  ref: InstanceRef,
  names: readonly string[],
  request: StartRequest,
  signal: AbortSignal,
): Promise<void> {
  const infra = await inspectOurs(host.api, host.owner, infraName(ref), signal);
  if (infra === null) throw missing(ref, host.owner.host);
  if (infra.hash !== request.spec.infraHash) {
    const text = `${ref.set}/${ref.index} needs a new infra container: replace the Instance`;
    throw new StepError("infra-differs", text, { retry: "permanent", outcome: "refused" });
  }
  const prepared = await prepare(host, ref, request, signal);
  const parts = isUnwired(infra.HostConfig.NetworkMode) ? await withHosts(host, prepared) : prepared;
  const { containers } = request.spec.template;
  for (const name of names.filter((name) => !containers.some((container) => container.name === name))) {
    const found = await inspectOurs(host.api, host.owner, appName(ref, name), signal);
    if (found !== null) await retire(host.api, { ...found, id: found.Id, state: found.State.Status }, signal);
  }
  if (!infra.State.Running) await start(host.api, infra.Id, signal);
  await wireInfra(host.api, infra.Id, request.wire, signal);
  for (const container of containers.filter(({ name }) => names.includes(name))) {
    const call = appCreate(parts, container, infra.Id);
    const app = await ensure(host, call, limitsOf(request.spec, container.name), signal);
    if (app.found?.State.Running !== true) await start(host.api, app.id, signal);
  }
}

/** Refuses all when one of them has not enough: limits of an Instance change together. */
export async function updateLimits(
  { api, owner }: Host,
  ref: InstanceRef,
  limits: Readonly<Record<string, ContainerLimits>>,
  signal: AbortSignal,
): Promise<void> {
  const changes: { readonly id: string; readonly wanted: ContainerLimits }[] = [];
  for (const [name, wanted] of Object.entries(limits)) {
    const found = await inspectOurs(api, owner, appName(ref, name), signal);
    if (found === null) throw missing(ref, owner.host, name);
    if (hasLimits(found.HostConfig, wanted)) continue;
    refuseBelowUse(name, wanted.memoryLimitBytes, memoryInUse(found.State.Pid));
    changes.push({ id: found.Id, wanted });
  }
  for (const { id, wanted } of changes) {
    try {
      await api.call({ method: "POST", path: `/containers/${id}/update`, body: updateBody(wanted), signal });
    } catch (error) {
      throw belowUse(error) ?? error;
    }
  }
}

function refuseBelowUse(name: string, limitBytes: number | null, usedBytes: number | null): void {
  if (limitBytes === null || usedBytes === null || usedBytes <= limitBytes) return;
  const text = `${usedBytes} bytes of memory are in use by ${name}, the new limit is ${limitBytes}`;
  throw new StepError("below-use", text, { outcome: "refused" });
}

/** Use may have grown since we looked: cgroup v1 refuses by itself. */
function belowUse(error: unknown): StepError | null {
  if (!(error instanceof ApiError) || !/unable to set memory limit|device or resource busy/.test(error.message)) return null;
  return new StepError("below-use", error.message, { outcome: "refused" });
}

function missing({ set, index, generation }: InstanceRef, host: string, container = "infra"): StepError {
  const text = `generation ${generation} of ${set}/${index} has no ${container} container on ${host}`;
  return new StepError("not-found", text, { outcome: "refused" });
}
