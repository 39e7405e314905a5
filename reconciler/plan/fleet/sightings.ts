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
  /** Replaces what is known of one host; returns the Sets for which that made a difference. */
  update(host: string, observation: HostObservation | null): readonly string[];
  of(set: string): SetSightings;
  /** Names of Sets of which anything is seen. */
  sets(): Iterable<string>;
}

/** An empty Sightings. Update costs what the host holds, not what the fleet holds. */
export function createSightings(): Sightings {
  const bySet = new Map<string, Map<string, SetOnHost>>();
  const byHost = new Map<string, ReadonlyMap<string, SetOnHost>>();

  function forget(set: string, host: string): void {
    const hosts = bySet.get(set);
    hosts?.delete(host);
    if (hosts?.size === 0) bySet.delete(set);
  }

  function update(host: string, observation: HostObservation | null): readonly string[] {
    const before = byHost.get(host) ?? new Map<string, SetOnHost>();
    const after = observation === null ? new Map<string, SetOnHost>() : groupBySet(observation);
    const changed: string[] = [];
    for (const set of before.keys()) {
      if (after.has(set)) continue;
      forget(set, host);
      changed.push(set);
    }
    for (const [set, seen] of after) {
      const known = before.get(set);
      let hosts = bySet.get(set);
      if (hosts === undefined) bySet.set(set, (hosts = new Map()));
      hosts.set(host, seen);
      if (known === undefined || !sameSighting(known, seen)) changed.push(set);
    }
    byHost.set(host, after);
    return changed;
  }

  return { update, of: (set) => bySet.get(set) ?? NO_SIGHTINGS, sets: () => bySet.keys() };
}

function groupBySet(observation: HostObservation): Map<string, SetOnHost> {
  const sets = new Map<string, { instances: ObservedInstance[]; ports: ObservedPort[]; volumes: ObservedVolume[] }>();
  function of(set: string): { instances: ObservedInstance[]; ports: ObservedPort[]; volumes: ObservedVolume[] } {
    let group = sets.get(set);
    if (group === undefined) sets.set(set, (group = { instances: NONE, ports: NONE, volumes: NONE }));
    return group;
  }
  for (const instance of observation.instances) of(instance.set).instances = withItem(of(instance.set).instances, instance);
  for (const port of observation.ports) of(port.set).ports = withItem(of(port.set).ports, port);
  for (const volume of observation.volumes) of(volume.set).volumes = withItem(of(volume.set).volumes, volume);
  return sets;
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
    sameLists(a.volumes, b.volumes, (x, y) => x.index === y.index && x.name === y.name && x.sizeBytes === y.sizeBytes)
  );
}

function sameLists<Item>(a: readonly Item[], b: readonly Item[], same: (x: Item, y: Item) => boolean): boolean {
  return a.length === b.length && a.every((item, position) => same(item, b[position]!));
}
