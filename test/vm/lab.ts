import type { Container, HostPool, Set as InstanceSet, Template } from "../../reconciler/core/manifest-types.ts";
import { BRIDGE } from "./manifests.ts";
import type { VmHost } from "./rig/host.ts";

/** The volume group that `addVolumeGroup` makes of the empty disk of each machine. */
export const VOLUME_GROUP = "vg0";

/** Where setpoint mounts a slot's volume of kind lvm. */
export function mountOf(slot: string, volume: string): string {
  return `/var/lib/setpoint/volumes/${slot}/${volume}`;
}

export async function addVolumeGroup(host: VmHost): Promise<void> {
  await host.exec(["pvcreate", "-q", "/dev/disk/by-id/virtio-data"]);
  await host.exec(["vgcreate", "-q", VOLUME_GROUP, "/dev/disk/by-id/virtio-data"]);
}

export interface PoolOptions {
  readonly vni: number;
  readonly cidr: string;
  readonly gateway: string;
  readonly failure: NonNullable<HostPool["spec"]["failure"]>;
  /** Of the trash; default: a day. */
  readonly keepFor?: string;
}

/** A pool of machines, one zone and one label `host` each: the kernel's switch, VXLAN between them, volumes of LVM. JSON is YAML too. */
export function poolManifest(name: string, hosts: readonly VmHost[], { vni, cidr, gateway, failure, keepFor = "1d" }: PoolOptions): string {
  const pool: HostPool = {
    apiVersion: "setpoint/v1",
    kind: "HostPool",
    metadata: { name },
    spec: {
      network: { cidr, gateway, driver: "ovs", bridge: BRIDGE, datapath: "system", overlay: { vni } },
      storage: { volumeGroup: VOLUME_GROUP, trash: { keepFor } },
      cpu: { overcommit: 4 },
      failure,
      budget: { percent: 100, count: 50 },
      hosts: hosts.map((host) => ({
        name: host.name,
        agent: `ssh://${host.name}`,
        address: host.address,
        zone: `zone-${host.name}`,
        labels: { host: host.name },
        capacity: { cpu: 1, memory: "1Gi", disk: "7Gi", bandwidth: "1gbit" },
      })),
    },
  };
  return JSON.stringify(pool);
}

/** Of a Set: what it is besides small. */
export interface SetOptions extends Omit<InstanceSet["spec"], "template" | "pool"> {
  readonly pool?: string;
  readonly network?: Template["network"];
  readonly volumes?: Template["volumes"];
}

export type ContainerOptions = Partial<Container> & Pick<Container, "image">;

export function setManifest(name: string, options: SetOptions, ...containers: readonly ContainerOptions[]): string {
  const { pool = "lab", network, volumes, ...spec } = options;
  const resources = { cpu: { request: "10m" }, memory: { request: "8Mi", limit: "32Mi" } };
  const set = {
    apiVersion: "setpoint/v1",
    kind: "Set",
    metadata: { name },
    spec: {
      ...spec,
      pool,
      template: {
        containers: containers.map((container) => ({ name: "app", resources, lifecycle: { stopTimeout: "1s" }, ...container })),
        ...(network === undefined ? {} : { network }),
        ...(volumes === undefined ? {} : { volumes }),
      },
    },
  };
  return JSON.stringify(set);
}
