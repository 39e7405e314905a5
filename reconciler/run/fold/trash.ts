import { trashKey } from "../../core/ids.ts";
import { type Draft, type EventOf, refuse, replaceSet } from "./draft.ts";

export function restoreAsked(draft: Draft, event: EventOf<"restore.asked">): void {
  const { restore } = event;
  const key = trashKey(restore.host, restore.trashId);
  if (draft.restores.get(key)?.lostAtMs === null) refuse(draft, event, `a restore of ${key} is open already`);
  if (draft.purges.has(key)) refuse(draft, event, `${key} is to be purged`);
  draft.restores.set(key, { ...restore, begun: false, lostAtMs: null });
  const set = draft.sets.get(restore.to.set);
  if (set?.failures.delete(restore.to.index) === true) replaceSet(draft, restore.to.set, set);
}

export function restoreCancelled(draft: Draft, event: EventOf<"restore.cancelled">): void {
  const key = trashKey(event.host, event.trashId);
  if (!draft.restores.delete(key)) refuse(draft, event, `no restore of ${key} was asked for`);
}

export function restoreEnded(draft: Draft, event: EventOf<"restore.ended">): void {
  const key = trashKey(event.host, event.trashId);
  const restore = draft.restores.get(key);
  if (restore === undefined || restore.lostAtMs !== null) refuse(draft, event, `no restore of ${key} is open`);
  if (event.outcome === "done") draft.restores.delete(key);
  else draft.restores.set(key, { ...restore, lostAtMs: event.atMs });
}

export function purgeAsked(draft: Draft, event: EventOf<"purge.asked">): void {
  const { purge } = event;
  const key = trashKey(purge.host, purge.trashId);
  if (draft.purges.has(key)) refuse(draft, event, `${key} is to be purged already`);
  if (draft.restores.get(key)?.lostAtMs === null) refuse(draft, event, `a restore of ${key} is open`);
  draft.purges.set(key, purge);
}

export function purgeEnded(draft: Draft, event: EventOf<"purge.ended">): void {
  const key = trashKey(event.host, event.trashId);
  if (!draft.purges.delete(key)) refuse(draft, event, `no purge of ${key} was asked for`);
}

/** A step that restores a volume of the slot on this host is about to be sent. */
export function restoreBegun(draft: Draft, host: string, set: string, index: number): void {
  for (const [key, restore] of draft.restores) {
    const isIt = restore.host === host && restore.to.set === set && restore.to.index === index;
    if (isIt && !restore.begun && restore.lostAtMs === null) draft.restores.set(key, { ...restore, begun: true });
  }
}
