import { poolOfHosts } from "../hosts/manifests.ts";
import type { VmRig } from "./rig/rig.ts";

/** The bridge of the pool, which exists on each machine before its agent needs it. */
export const BRIDGE = "br0";
export const POOL_VLAN = 20;

/** The pool of a rig's machines, reached by ssh. Without KVM a boot takes a minute and more: its lostAfter has to be longer. */
export function vmPool(rig: VmRig, failure = "suspectAfter: 20s, lostAfter: 600s, leaseFor: 300s", ofSpec = ""): string {
  const hosts = rig.hosts.map(({ name }) => ({ name, agent: `ssh://${name}`, memory: "768Mi" }));
  return poolOfHosts(hosts, `vlan: ${POOL_VLAN}, driver: ovs, bridge: ${BRIDGE}, datapath: system, mtu: 1450`, failure, ofSpec);
}
