/**
 * What the reconciler tells an agent about its host, from the HostPool. Absolute and idempotent: the agent keeps the newest in its
 * own folder and makes the host so, also after a reboot before anybody spoke to it.
 */
export interface HostSettings {
  /** The one fleet that may use the agent; it stands in every owner label. */
  readonly fleet: string;
  /** Name of the host in the manifests. */
  readonly host: string;
  /** Unheard for this long, the agent stops Instances that must not run twice; null: never. Milliseconds. */
  readonly leaseForMs: number | null;
  readonly network: NetworkSettings;
  /** CPUs on which Sets may run, as the kernel writes lists (`2-9,12`); null: all. */
  readonly cpus: string | null;
  /**
   * What to do with a rate, io limit or VLAN for which the host has no driver. `required` (also when absent): the step is refused
   * with `no-capability`. `best-effort`: the step is done without that limit; the reconciler tells people.
   */
  readonly limits?: "required" | "best-effort";
  /** Absent when a reconciler that knows of no volumes told it. */
  readonly storage?: StorageSettings;
}

export interface StorageSettings {
  /** LVM volume group for volumes of kind `lvm`; null: there is none for Sets. */
  readonly volumeGroup: string | null;
  /** Thin pool in it, from which volumes are taken; null: each has its room from the start. */
  readonly thinPool: string | null;
  /** Absolute path, below which volumes of kind `dir` lie. */
  readonly folder: string;
}

export interface NetworkSettings {
  /** `bridge`: a network of Docker's own bridge driver, nothing else needed. `ovs`: ports on an Open vSwitch bridge. */
  readonly driver: "bridge" | "ovs";
  /** Range and gateway of the pool's Instances. */
  readonly cidr: string;
  readonly gateway: string;
  /** VLAN of Instances whose Set names none; null: untagged. */
  readonly vlan: number | null;
  /** Name of the bridge on the host. An `ovs` bridge is made when it is missing; its other ports are never touched. */
  readonly bridge: string;
  /** Of an `ovs` bridge: the kernel's datapath or the one in user space. */
  readonly datapath: "system" | "netdev";
  readonly mtu: number;
  /** One flat network over VXLAN between the pool's hosts; null: the bridge's own uplink is enough. `peers` are addresses of the other hosts, sorted. */
  readonly overlay: { readonly vni: number; readonly peers: readonly string[] } | null;
}
