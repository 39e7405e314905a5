import { parseAddress } from "../../core/addresses.ts";
import type { Desired, DesiredHost, DesiredPool } from "../../core/desired.ts";
import type { HostSettings, NetworkSettings } from "../../core/host-settings.ts";

/** What each agent is told, Revision after Revision. Settings that did not change keep their object identity; their content never depends on earlier calls. */
export type SettingsReader = (desired: Desired) => ReadonlyMap<string, HostSettings>;

interface Known {
  readonly host: DesiredHost;
  readonly pool: DesiredPool;
  /** Addresses of all hosts of the pool's overlay; null: it has none. */
  readonly members: readonly string[] | null;
  readonly settings: HostSettings;
}

/** By host name, for the hosts of the manifests. */
export function createSettingsReader(fleet: string): SettingsReader {
  let last = new Map<string, Known>();
  let lastMembers = new Map<string, readonly string[]>();
  return (desired) => {
    const members = membersByPool(desired, lastMembers);
    const now = new Map<string, Known>();
    for (const host of desired.hosts) {
      const pool = desired.pools.get(host.pool);
      if (pool === undefined) continue;
      const joined = members.get(pool.name) ?? null;
      const known = last.get(host.name);
      const same = known?.host === host && known.pool === pool && known.members === joined;
      now.set(host.name, same ? known : { host, pool, members: joined, settings: kept(known, settingsOf(fleet, host, pool, joined)) });
    }
    last = now;
    lastMembers = members;
    return new Map([...now].map(([name, { settings }]) => [name, settings]));
  };
}

/** Another place in the file, or another budget, is nothing an agent has to hear of. */
function kept(known: Known | undefined, fresh: HostSettings): HostSettings {
  return known !== undefined && JSON.stringify(known.settings) === JSON.stringify(fresh) ? known.settings : fresh;
}

function settingsOf(fleet: string, host: DesiredHost, pool: DesiredPool, members: readonly string[] | null): HostSettings {
  const { cidr, gateway, vlan, driver, bridge, datapath, mtu, overlay } = pool.network;
  const joined: NetworkSettings["overlay"] =
    overlay === null ? null : { vni: overlay.vni, peers: (members ?? []).filter((address) => address !== host.address) };
  return {
    fleet,
    host: host.name,
    leaseForMs: pool.failure.leaseForMs,
    network: { driver, cidr, gateway, vlan, bridge, datapath, mtu, overlay: joined },
    cpus: host.cpus,
    limits: pool.limits,
    storage: { volumeGroup: pool.storage.volumeGroup, thinPool: pool.storage.thinPool, folder: pool.storage.folder },
  };
}

/** Addresses of the hosts of pools with an overlay, in numeric order. Equal lists keep their identity. */
function membersByPool(desired: Desired, last: ReadonlyMap<string, readonly string[]>): Map<string, readonly string[]> {
  const members = new Map<string, string[]>();
  for (const { pool, address } of desired.hosts) {
    if (address === null || desired.pools.get(pool)?.network.overlay == null) continue;
    const known = members.get(pool);
    if (known === undefined) members.set(pool, [address]);
    else known.push(address);
  }
  const result = new Map<string, readonly string[]>();
  for (const [pool, addresses] of members) {
    addresses.sort((a, b) => parseAddress(a)! - parseAddress(b)!);
    const before = last.get(pool);
    const same = before?.length === addresses.length && before.every((address, at) => address === addresses[at]);
    result.set(pool, same ? before : addresses);
  }
  return result;
}
