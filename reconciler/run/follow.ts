import type { Desired } from "../core/desired.ts";
import type { HostSettings } from "../core/host-settings.ts";
import type { Memory } from "../core/memory.ts";
import type { FollowedHost } from "./ports.ts";

/** All hosts of the manifests, and those of `before` that left the manifests but still hold an Instance to be moved away. */
export function hostsToFollow(
  desired: Desired,
  settings: ReadonlyMap<string, HostSettings>,
  before: readonly FollowedHost[],
  memory: Memory,
): FollowedHost[] {
  const wanted = desired.hosts.map(({ name, agent }) => ({ name, agent, settings: settings.get(name)! }));
  const names = new Set(wanted.map((host) => host.name));
  const left = before.filter((host) => !names.has(host.name));
  if (left.length === 0) return wanted;
  const claimed = claimedHosts(memory);
  return [...wanted, ...left.filter((host) => claimed.has(host.name))];
}

/** Hosts on which some slot has a claim. */
function claimedHosts(memory: Memory): ReadonlySet<string> {
  const hosts = new Set<string>();
  for (const set of memory.sets.values()) {
    for (const { current, former } of set.slots.values()) {
      if (current !== null) hosts.add(current.host);
      for (const claim of former) hosts.add(claim.host);
    }
  }
  return hosts;
}
