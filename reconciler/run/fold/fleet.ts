import type { HostMemory } from "../../core/memory.ts";
import { type Draft, type EventOf, refuse } from "./draft.ts";

export function revisionAccepted(draft: Draft, event: EventOf<"revision.accepted">): void {
  if (draft.revision?.commit !== event.commit) draft.revision = { commit: event.commit, atMs: event.atMs };
  draft.rejected = null;
  draft.uninventoried ??= new Set(event.hosts);
}

export function revisionRejected(draft: Draft, event: EventOf<"revision.rejected">): void {
  draft.rejected = { commit: event.commit, atMs: event.atMs, why: event.why };
}

export function hostInventoried(draft: Draft, event: EventOf<"host.inventoried">): void {
  if (draft.uninventoried === null) refuse(draft, event, "no revision was accepted yet, so there are no hosts");
  for (const host of event.hosts) draft.uninventoried.delete(host);
}

export function hostState(draft: Draft, event: EventOf<"host.state">): void {
  const confirmedDeadAtMs = draft.hosts.get(event.host)?.confirmedDeadAtMs ?? null;
  putHost(draft, event.host, { state: event.state, confirmedDeadAtMs, who: event.who, why: event.why });
}

export function hostDead(draft: Draft, event: EventOf<"host.dead">): void {
  const state = draft.hosts.get(event.host)?.state ?? null;
  putHost(draft, event.host, { state, confirmedDeadAtMs: event.atMs, who: event.who, why: event.why });
  draft.uninventoried?.delete(event.host);
}

export function hostReturned(draft: Draft, event: EventOf<"host.returned">): void {
  const host = draft.hosts.get(event.host);
  if (host === undefined || host.confirmedDeadAtMs === null) refuse(draft, event, `${event.host} was not confirmed dead`);
  putHost(draft, event.host, { ...host, confirmedDeadAtMs: null });
}

export function holdPlaced(draft: Draft, event: EventOf<"hold.placed">): void {
  draft.holds.set(`${event.hold.scope}/${event.hold.name}`, event.hold);
}

export function holdReleased(draft: Draft, event: EventOf<"hold.released">): void {
  if (!draft.holds.delete(`${event.scope}/${event.name}`)) refuse(draft, event, `there is no hold on ${event.scope} ${event.name}`);
}

export function destroysConfirmed(draft: Draft, event: EventOf<"destroys.confirmed">): void {
  draft.confirmed.set(event.hash, event.atMs);
}

/** A host about which an operator says nothing any more is forgotten. */
function putHost(draft: Draft, name: string, host: HostMemory): void {
  if (host.state === null && host.confirmedDeadAtMs === null) draft.hosts.delete(name);
  else draft.hosts.set(name, host);
}
