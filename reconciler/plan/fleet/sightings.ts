import type { HostObservation, ObservedInstance, ObservedPort, ObservedVolume } from "../../core/observation.ts";

/** What one host showed of one Set. */
export interface SetOnHost {
  readonly instances: readonly ObservedInstance[];
  readonly ports: readonly ObservedPort[];
  readonly volumes: readonly ObservedVolume[];
}

/** What all hosts showed of one Set, by host name. */
export type SetSightings = ReadonlyMap<string, SetOnHost>;

const NO_SIGHTINGS: SetSightings = new Map();

/** Observations turned around: by Set instead of by host. Kept up to date host by host. */
export interface Sightings {
  /** Replaces what one host showed; `before` is what it showed in the last call. Returns the Sets for which that made a difference. */
  update(host: string, before: HostObservation | null, after: HostObservation | null): readonly string[];
  of(set: string): SetSightings;
  /** Names of Sets of which anything is seen. */
  sets(): Iterable<string>;
}

/** An empty Sightings. Update costs what the host holds, not what the fleet holds. */
export function createSightings(): Sightings {
  const bySet = new Map<string, Map<string, SetOnHost>>();

  function forget(set: string, host: string): void {
    const hosts = bySet.get(set);
    hosts?.delete(host);
    if (hosts?.size === 0) bySet.delete(set);
  }

  function update(host: string, before: HostObservation | null, after: HostObservation | null): readonly string[] {
    const known = before === null ? NOTHING : groupBySet(before);
    const shown = after === null ? NOTHING : groupBySet(after);
    const changed: string[] = [];
    for (const set of known.keys()) {
      if (shown.has(set)) continue;
      forget(set, host);
      changed.push(set);
    }
    for (const [set, seen] of shown) {
      const hosts = bySet.get(set);
      if (hosts === undefined) bySet.set(set, new Map([[host, seen]]));
      else hosts.set(host, seen);
      const last = known.get(set);
      if (last === undefined || !sameSighting(last, seen)) changed.push(set);
    }
    return changed;
  }

  return { update, of: (set) => bySet.get(set) ?? NO_SIGHTINGS, sets: () => bySet.keys() };
}

const NOTHING: ReadonlyMap<string, SetOnHost> = new Map();

interface Group {
  instances: ObservedInstance[];
  ports: ObservedPort[];
  volumes: ObservedVolume[];
}

function groupBySet(observation: HostObservation): Map<string, SetOnHost> {
  const sets = new Map<string, Group>();
  for (const instance of observation.instances) {
    const group = groupOf(sets, instance.set);
    group.instances = withItem(group.instances, instance);
  }
  for (const port of observation.ports) {
    const group = groupOf(sets, port.set);
    group.ports = withItem(group.ports, port);
  }
  for (const volume of observation.volumes) {
    const group = groupOf(sets, volume.set);
    group.volumes = withItem(group.volumes, volume);
  }
  return sets;
}

function groupOf(sets: Map<string, Group>, set: string): Group {
  let group = sets.get(set);
  if (group === undefined) sets.set(set, (group = { instances: NONE, ports: NONE, volumes: NONE }));
  return group;
}

const NONE: never[] = [];

/** Most lists have one item, and a list made with it takes a tenth of the memory of an empty one that grows. */
function withItem<Item>(list: Item[], item: Item): Item[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}

/** Instances by identity (adapters keep it), ports and volumes by the fields a decision depends on. */
function sameSighting(a: SetOnHost, b: SetOnHost): boolean {
  return (
    sameLists(a.instances, b.instances, (x, y) => x === y) &&
    sameLists(a.ports, b.ports, (x, y) => x.index === y.index && x.generation === y.generation && x.ip === y.ip) &&
    sameLists(a.volumes, b.volumes, (x, y) => x.index === y.index && x.name === y.name && x.kind === y.kind && x.sizeBytes === y.sizeBytes)
  );
}

function sameLists<Item>(a: readonly Item[], b: readonly Item[], same: (x: Item, y: Item) => boolean): boolean {
  return a.length === b.length && a.every((item, position) => same(item, b[position]!));
}
