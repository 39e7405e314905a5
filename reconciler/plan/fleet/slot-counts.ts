import type { HostIndex } from "../place/host-index.ts";

/** Instances by pool and zone, from the index; a function, because only a pass with destroys asks. */
export function liveSlots(index: HostIndex, pool: string, zone: string): number {
  const poolId = index.pools.indexOf(pool);
  const zoneId = index.zones.indexOf(zone);
  let count = 0;
  for (let position = 0; position < index.hosts.length; position++) {
    if (index.pool[position] === poolId && index.zone[position] === zoneId) count += index.instanceCount[position]!;
  }
  return count;
}
