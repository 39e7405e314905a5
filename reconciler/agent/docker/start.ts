import type { ContainerLimits } from "../../core/desired.ts";
import { type InstanceRef, type StartRequest, StepError, type Wire } from "../ports.ts";
import type { Api } from "./api.ts";
import { hasStatus } from "./api-error.ts";
import {
  appCreate,
  type CreateCall,
  infraCreate,
  type InstanceParts,
  isUnwired,
  limitsOf,
  tmpfsVolumes,
  type VolumeBody,
} from "./bodies.ts";
import { create, inspect, type Inspected, inspectOurs, listMembers, restart, start } from "./containers.ts";
import type { InfraImages } from "./infra-image.ts";
import { isOurs, type Labels, type OwnedLabels, type Owner } from "./labels.ts";
import { hasLimits, updateBody } from "./limits.ts";
import { writeHosts, writeResolvConf } from "./name-files.ts";
import { sharesNetwork } from "./processes.ts";
import { retire } from "./stop.ts";

/** What steps on Instances work with. */
export interface Host {
  readonly api: Api;
  readonly owner: Owner;
  readonly images: InfraImages;
  /** Whether containers get Docker's own seccomp profile when nothing is said: not one of the operator's, and not none. */
  readonly hasDefaultSeccomp: () => boolean;
  /** For files that containers mount, which must outlive the agent. */
  readonly folder: string;
}

/** A container that is there; `found` null: it was made just now. */
export interface Present {
  readonly id: string;
  readonly found: (Inspected & OwnedLabels) | null;
}

/** How often a name may be freed under our hands before we give up. */
const CREATE_TRIES = 4;

/** Makes the Instance run as the request says. On an empty host that is one create and one start for each container, nothing else. */
export async function startInstance(host: Host, ref: InstanceRef, request: StartRequest, signal: AbortSignal): Promise<void> {
  const prepared = await prepare(host, ref, request, signal);
  const infra = await ensureInfra(host, prepared, signal);
  const { containers } = request.spec.template;
  if (infra.found !== null) await removeOthers(host, ref, request, signal);
  const unwired = isUnwired(infra.found?.HostConfig.NetworkMode ?? request.endpoint.networkMode);
  const parts = unwired ? await withHosts(host, prepared) : prepared;
  const apps: Present[] = [];
  for (const container of containers) {
    apps.push(await ensure(host, appCreate(parts, container, infra.id), limitsOf(request.spec, container.name), signal));
  }
  const fresh = infra.found?.State.Running !== true;
  if (fresh) await start(host.api, infra.id, signal);
  if (unwired) await wireInfra(host.api, infra.id, request.wire, signal);
  for (const app of apps) await run(host, app, fresh ? null : infra.found, signal);
}

/** Brings an infra container that runs to the network, if the engine did not. Resolves to its first process. */
export async function wireInfra(api: Api, id: string, wire: Wire, signal: AbortSignal): Promise<number> {
  const infra = await inspect(api, id, signal);
  const pid = infra?.State.Pid ?? 0;
  if (pid !== 0 && isUnwired(infra!.HostConfig.NetworkMode)) await wire(pid, signal);
  return pid;
}

/** App containers of the generation that the spec does not have any more. */
async function removeOthers(host: Host, ref: InstanceRef, { spec }: StartRequest, signal: AbortSignal): Promise<void> {
  for (const member of await listMembers(host.api, host.owner, ref, signal)) {
    if (member.role === "app" && spec.containerHashes[member.container] === undefined) await retire(host.api, member, signal);
  }
}

/** What must be there before the first container. */
export async function prepare(host: Host, ref: InstanceRef, request: StartRequest, signal: AbortSignal): Promise<InstanceParts> {
  const infra = await host.images.ensure(signal);
  const resolvConf = await writeResolvConf(host.folder, request.endpoint.resolver);
  const ownSeccomp = infra.entrypoint !== null && host.hasDefaultSeccomp();
  const parts = { owner: host.owner, ref, request, infra: { ...infra, ownSeccomp }, resolvConf, hosts: null };
  for (const volume of tmpfsVolumes(parts)) await ensureVolume(host, volume, signal);
  return parts;
}

/** With what Docker writes only for containers on a network of its own. */
export async function withHosts({ folder }: Host, parts: InstanceParts): Promise<InstanceParts> {
  return { ...parts, hosts: await writeHosts(folder, parts.ref, parts.request.ip) };
}

/** The infra image may have been pruned since it was looked for: then it is made anew. */
async function ensureInfra(host: Host, parts: InstanceParts, signal: AbortSignal): Promise<Present> {
  try {
    return await ensure(host, infraCreate(parts), null, signal);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
    host.images.forget();
    const infra = await host.images.ensure(signal);
    return await ensure(host, infraCreate({ ...parts, infra: { ...parts.infra, ...infra } }), null, signal);
  }
}

/** Creates the container, or takes the one of that name if it was made from the same; one made from something else is replaced. */
export async function ensure(host: Host, call: CreateCall, limits: ContainerLimits | null, signal: AbortSignal): Promise<Present> {
  for (let attempt = 0; attempt < CREATE_TRIES; attempt++) {
    const id = await create(host.api, call, signal);
    if (id !== null) return { id, found: null };
    const found = await inspectOurs(host.api, host.owner, call.name, signal);
    if (found === null) continue;
    if (isAsAsked(found, call)) {
      await updateIfOther(host.api, found, limits, signal);
      return { id: found.Id, found };
    }
    await retire(host.api, { ...found, id: found.Id, state: found.State.Status }, signal);
  }
  throw new StepError("engine-failed", `the name ${call.name} is taken, yet the container engine shows no container of that name`);
}

/** Made from the same and in the network of the same infra container. */
function isAsAsked(found: Inspected & OwnedLabels, { body }: CreateCall): boolean {
  if (found.hash !== body.Labels["setpoint.hash"] || found.State.Status === "dead" || found.State.Status === "removing") return false;
  return found.role === "infra" || found.HostConfig.NetworkMode === body.HostConfig.NetworkMode;
}

async function updateIfOther(api: Api, found: Inspected, limits: ContainerLimits | null, signal: AbortSignal): Promise<void> {
  if (limits === null || hasLimits(found.HostConfig, limits)) return;
  await api.call({ method: "POST", path: `/containers/${found.Id}/update`, body: updateBody(limits), signal });
}

/** Starts an app container; one that runs in a network that infra left behind is restarted. `infra`: null when it was started just now. */
async function run(host: Host, app: Present, infra: Inspected | null, signal: AbortSignal): Promise<void> {
  if (app.found?.State.Running !== true) return start(host.api, app.id, signal);
  if (infra !== null && sharesNetwork(infra.State.Pid, app.found.State.Pid)) return;
  await restart(host.api, app.id, app.found.stopTimeoutMs, signal);
}

/** An existing volume is left as it is: Docker answers with it. */
async function ensureVolume(host: Host, volume: VolumeBody, signal: AbortSignal): Promise<void> {
  const made = await host.api.call<{ readonly Labels: Labels | null }>({ method: "POST", path: "/volumes/create", body: volume, signal });
  if (isOurs(made.Labels, host.owner)) return;
  const text = `the volume ${volume.Name} on ${host.owner.host} belongs to someone else`;
  throw new StepError("not-ours", text, { retry: "permanent", outcome: "refused" });
}
