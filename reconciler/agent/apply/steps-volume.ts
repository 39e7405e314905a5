import { slotKey } from "../../core/ids.ts";
import type { HostCore } from "../host-core.ts";
import { instanceName } from "../instance-key.ts";
import type { VolumeRef } from "../ports.ts";
import { DONE, refused, refuseIncapable, refuseStale, type Of, type Verdict } from "./verdict.ts";

/** The volume is there and large enough; nothing of it is lost if it was. */
export async function createVolume(core: HostCore, action: Of<"createVolume">, signal: AbortSignal): Promise<Verdict> {
  const no = refuseStale(core, action);
  if (no !== null) return no;
  const { filesystem, sizeBytes } = action;
  await core.parts.volumes.create({ ...refOf(action), filesystem, sizeBytes }, signal);
  return DONE;
}

/** Larger, under the containers that use it. */
export async function growVolume(core: HostCore, action: Of<"growVolume">, signal: AbortSignal): Promise<Verdict> {
  const no = refuseStale(core, action);
  if (no !== null) return no;
  await core.parts.volumes.grow(refOf(action), action.sizeBytes, signal);
  return DONE;
}

/** Into the trash once no container of any generation of the slot is left. */
export async function trashVolume(core: HostCore, action: Of<"trashVolume">, signal: AbortSignal): Promise<Verdict> {
  const no = await refuseInUse(core, action);
  if (no !== null) return no;
  const { commit, trashedAtMs, taskId } = action;
  await core.parts.volumes.trashVolume(refOf(action), { commit, trashedAtMs, taskId }, signal);
  return DONE;
}

/** Out of the trash, before anything of the slot runs. */
export async function restoreVolume(core: HostCore, action: Of<"restoreVolume">, signal: AbortSignal): Promise<Verdict> {
  const no = refuseStale(core, action);
  if (no !== null) return no;
  await core.parts.volumes.restore(refOf(action), action.trashId, action.trashedAtMs, signal);
  return DONE;
}

/** The entry of the trash and its data are gone. */
export async function purgeVolume(core: HostCore, action: Of<"purgeVolume">, signal: AbortSignal): Promise<Verdict> {
  await core.parts.volumes.purge(action.trashId, action.trashedAtMs, signal);
  return DONE;
}

/** Containers are looked for anew; while nobody can, they are taken to be there. */
async function refuseInUse(core: HostCore, action: Of<"trashVolume">): Promise<Verdict | null> {
  const blind = refuseIncapable(core, "docker");
  if (blind !== null) return blind;
  await core.look();
  const user = core.picture.inventory.containers.find(({ set, index }) => set === action.set && index === action.index);
  if (user === undefined) return null;
  const key = slotKey(action.set, action.index);
  return refused("in-use", `volume ${action.volume} of ${key} belongs to ${instanceName(user)}, which is still on ${core.host}`);
}

function refOf({ set, index, volume }: { readonly set: string; readonly index: number; readonly volume: string }): VolumeRef {
  return { set, index, name: volume };
}
