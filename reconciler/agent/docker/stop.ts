import type { InstanceRef } from "../ports.ts";
import type { Api } from "./api.ts";
import { ApiError } from "./api-error.ts";
import { kill, listMembers, type Member, remove, stop } from "./containers.ts";
import { runIn } from "./exec.ts";
import { killByKernel } from "./kernel-kill.ts";
import { instanceLabels, labelFilter, type Owner } from "./labels.ts";
import { removeHosts } from "./name-files.ts";

/** How long a kill waits for the engine before it turns to the kernel; the lease is over, every second counts. */
const KILL_PATIENCE_MS = 2_000;

/** Hooks first, then all app containers at once, infra last, since it holds their network. */
export async function stopInstance(api: Api, owner: Owner, ref: InstanceRef, graceMs: number, signal: AbortSignal): Promise<void> {
  const members = (await listMembers(api, owner, ref, signal)).filter(({ state }) => isAlive(state));
  await Promise.all(members.filter(({ role }) => role === "app").map((member) => stopGently(api, member, graceMs, signal)));
  for (const member of members.filter(({ role }) => role === "infra")) await stop(api, member.id, member.stopTimeoutMs, signal);
}

/** The hook and the stop share the time: the container's own stop timeout, at most `graceMs`. */
async function stopGently(api: Api, member: Member, graceMs: number, signal: AbortSignal): Promise<void> {
  const beganMs = api.clock.monotonic();
  const totalMs = Math.min(graceMs, member.stopTimeoutMs);
  if (member.preStop !== null) await runHook(api, member, member.preStop, totalMs, signal);
  await stop(api, member.id, Math.max(0, totalMs - (api.clock.monotonic() - beganMs)), signal);
}

/** A hook that fails or takes too long does not keep a container alive. */
async function runHook(api: Api, member: Member, command: readonly string[], deadlineMs: number, signal: AbortSignal): Promise<void> {
  try {
    await runIn(api, member.id, command, deadlineMs, signal);
  } catch {
    signal.throwIfAborted();
  }
}

/** Stops a container as its labels ask and removes it. */
export async function retire(api: Api, member: Member, signal: AbortSignal): Promise<void> {
  if (isAlive(member.state)) await stopGently(api, member, member.stopTimeoutMs, signal);
  await remove(api, member.id, signal);
}

function isAlive(state: string): boolean {
  return state === "running" || state === "paused" || state === "restarting";
}

/** SIGKILL to all containers, through the kernel when the engine does not do it. `dataRoot`: where the engine keeps what it knows. */
export async function killInstance(api: Api, owner: Owner, ref: InstanceRef, dataRoot: string, signal: AbortSignal): Promise<void> {
  try {
    const members = await listMembers(api, owner, ref, signal, KILL_PATIENCE_MS);
    await Promise.all(members.filter(({ state }) => isAlive(state)).map(({ id }) => kill(api, id, KILL_PATIENCE_MS, signal)));
  } catch (error) {
    signal.throwIfAborted();
    if (!(await killByKernel(api.clock, owner, ref, dataRoot, signal))) throw error;
  }
}

/** Containers first, infra last, then what they held. `folder`: the agent's own, for files that they mounted. */
export async function removeInstance(api: Api, owner: Owner, folder: string, ref: InstanceRef, signal: AbortSignal): Promise<void> {
  const members = await listMembers(api, owner, ref, signal);
  await Promise.all(members.filter(({ role }) => role === "app").map(({ id }) => remove(api, id, signal)));
  for (const { id } of members.filter(({ role }) => role === "infra")) await remove(api, id, signal);
  // Of other drivers none is the Instance's own, and a plugin that hangs would hang the list.
  const query = labelFilter(instanceLabels(owner, ref), { driver: ["local"] });
  const { Volumes } = await api.call<{ Volumes: readonly { Name: string }[] | null }>({ method: "GET", path: "/volumes", query, signal });
  for (const { Name } of Volumes ?? []) await removeVolume(api, Name, signal);
  await removeHosts(folder, ref);
}

async function removeVolume(api: Api, name: string, signal: AbortSignal): Promise<void> {
  try {
    await api.call({ method: "DELETE", path: `/volumes/${name}`, signal });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
}
