import { slotKey } from "../core/ids.ts";
import type { ObservedVolume } from "../core/observation.ts";
import { wholeExtents } from "../core/volumes.ts";
import { addImage, contentKey, diskUsed, dropTrash, dropVolume, moveContent, putTrash, putVolume, type SimHost } from "./host-state.ts";
import { DONE, failed, refused, refuseIncapable, refuseStale, type Conditions, type Of, type Verdict } from "./step.ts";

/** The simulated registry has every image except those whose tag is `missing`. */
export function checkPull(host: SimHost, action: Of<"pullImage">, conditions: Conditions): Verdict | null {
  if (host.images.has(action.image)) return DONE;
  if (imageTag(action.image) === "missing") {
    return failed("image-not-found", `the registry has no image ${action.image}`, "permanent");
  }
  if (conditions.diskFull) return failed("disk-full", `no room on ${host.name} to unpack ${action.image}`);
  return refuseIncapable(host, "docker");
}

export function finishPull(host: SimHost, action: Of<"pullImage">): Verdict {
  addImage(host, action.image);
  return DONE;
}

export function imageTag(image: string): string {
  return /:([^:/@]+)(@.*)?$/.exec(image)?.[1] ?? "latest";
}

export function checkCreateVolume(host: SimHost, action: Of<"createVolume">, conditions: Conditions): Verdict | null {
  const stale = refuseStale(host, action);
  if (stale !== null) return stale;
  const key = slotKey(action.set, action.index);
  const present = host.slots.get(key)?.volumes.get(action.volume);
  const kind = kindOf(action);
  if (present !== undefined && present.kind !== kind) {
    return refused("volume-exists", `${key} has a volume ${action.volume} of kind ${present.kind} on ${host.name} already`);
  }
  if (kind === "dir") return present?.sizeBytes === action.sizeBytes ? DONE : null;
  if (present !== undefined && present.sizeBytes >= action.sizeBytes) return DONE;
  return refuseIncapable(host, "lvm") ?? refuseFull(host, wholeExtents(action.sizeBytes) - (present?.sizeBytes ?? 0), conditions);
}

export function finishCreateVolume(host: SimHost, action: Of<"createVolume">): Verdict {
  const { set, index, volume: name } = action;
  const present = host.slots.get(slotKey(set, index))?.volumes.get(name);
  if (present === undefined) host.contents.set(contentKey({ set, index, name }), `${host.name}#${++host.written}`);
  const kind = kindOf(action);
  const sizeBytes = kind === "lvm" ? wholeExtents(action.sizeBytes) : action.sizeBytes;
  putVolume(host, { set, index, name, kind, sizeBytes, usedBytes: present?.usedBytes ?? 0 });
  return DONE;
}

function kindOf({ filesystem }: Of<"createVolume">): ObservedVolume["kind"] {
  return filesystem === null ? "dir" : "lvm";
}

function refuseFull(host: SimHost, moreBytes: number, conditions: Conditions): Verdict | null {
  const freeBytes = conditions.diskFull ? 0 : host.capacity.diskBytes - diskUsed(host);
  if (moreBytes <= freeBytes) return null;
  return failed("disk-full", `the volume group of ${host.name} has ${freeBytes} bytes left, ${moreBytes} more are needed`);
}

export function checkGrowVolume(host: SimHost, action: Of<"growVolume">, conditions: Conditions): Verdict | null {
  const volume = host.slots.get(slotKey(action.set, action.index))?.volumes.get(action.volume);
  if (volume === undefined)
    return refused("not-found", `${host.name} has no volume ${action.volume} of ${slotKey(action.set, action.index)}`);
  const sizeBytes = volume.kind === "lvm" ? wholeExtents(action.sizeBytes) : action.sizeBytes;
  if (volume.sizeBytes === sizeBytes) return DONE;
  // A folder's limit is only looked at: it goes both ways.
  if (volume.kind === "dir") return null;
  if (volume.sizeBytes > sizeBytes) {
    return refused("would-shrink", `volume ${action.volume} has ${volume.sizeBytes} bytes; a volume is never made smaller`, "permanent");
  }
  return refuseIncapable(host, "lvm") ?? refuseFull(host, sizeBytes - volume.sizeBytes, conditions);
}

export function finishGrowVolume(host: SimHost, action: Of<"growVolume">): Verdict {
  const volume = host.slots.get(slotKey(action.set, action.index))!.volumes.get(action.volume)!;
  putVolume(host, { ...volume, sizeBytes: volume.kind === "lvm" ? wholeExtents(action.sizeBytes) : action.sizeBytes });
  return DONE;
}

export function checkTrash(host: SimHost, action: Of<"trashVolume">): Verdict | null {
  const key = slotKey(action.set, action.index);
  const slot = host.slots.get(key);
  const volume = slot?.volumes.get(action.volume);
  if (slot === undefined || volume === undefined || wasTrashed(host, action)) return DONE;
  for (const generation of slot.instances.keys()) {
    return refused("in-use", `volume ${action.volume} of ${key} belongs to generation ${generation}, which is still on ${host.name}`);
  }
  return volume.kind === "lvm" ? refuseIncapable(host, "lvm") : null;
}

/** This very step was done before: the volume that has the name by now is another. */
function wasTrashed(host: SimHost, { set, index, volume, trashedAtMs }: Of<"trashVolume">): boolean {
  return [...host.trash.values()].some(
    (entry) => entry.set === set && entry.index === index && entry.name === volume && entry.trashedAtMs === trashedAtMs,
  );
}

export function finishTrash(host: SimHost, action: Of<"trashVolume">): Verdict {
  const { set, index, volume: name, trashedAtMs, taskId, commit } = action;
  const volume = host.slots.get(slotKey(set, index))!.volumes.get(name)!;
  let id = `${set}-${index}-${name}-${trashedAtMs}`;
  while (host.trash.has(id)) id += "+";
  moveContent(host, contentKey(volume), contentKey({ trashId: id }));
  dropVolume(host, set, index, name);
  putTrash(host, { ...volume, id, trashedAtMs, taskId, commit });
  return DONE;
}

export function checkRestore(host: SimHost, action: Of<"restoreVolume">): Verdict | null {
  const { trashId, volume: name } = action;
  const key = slotKey(action.set, action.index);
  const present = host.slots.get(key)?.volumes.has(name) === true;
  const entry = host.trash.get(trashId);
  const stale = refuseStale(host, action);
  if (stale !== null) return stale;
  if (entry === undefined || entry.trashedAtMs !== action.trashedAtMs) {
    return present ? DONE : refused("not-found", `${trashId} is not in the trash of ${host.name}`, "permanent");
  }
  if (present) return refused("volume-exists", `${key} has a volume ${name} on ${host.name} already`);
  return entry.kind === "lvm" ? refuseIncapable(host, "lvm") : null;
}

export function finishRestore(host: SimHost, action: Of<"restoreVolume">): Verdict {
  const { id, trashedAtMs: _at, taskId: _task, commit: _commit, ...volume } = host.trash.get(action.trashId)!;
  const restored = { ...volume, set: action.set, index: action.index, name: action.volume };
  moveContent(host, contentKey({ trashId: id }), contentKey(restored));
  dropTrash(host, id);
  putVolume(host, restored);
  return DONE;
}

export function checkPurge(host: SimHost, action: Of<"purgeVolume">): Verdict | null {
  const volume = host.trash.get(action.trashId);
  if (volume === undefined) return DONE;
  if (volume.trashedAtMs !== action.trashedAtMs) {
    return refused("not-found", `${action.trashId} in the trash of ${host.name} is not the volume that was meant`, "permanent");
  }
  return volume.kind === "lvm" ? refuseIncapable(host, "lvm") : null;
}

export function finishPurge(host: SimHost, action: Of<"purgeVolume">): Verdict {
  host.contents.delete(contentKey({ trashId: action.trashId }));
  dropTrash(host, action.trashId);
  return DONE;
}
