import { instanceKey } from "../instance-key.ts";
import type { OwnedContainer, VolumeUser } from "../ports.ts";
import type { InstanceRecord } from "../state/agent-state.ts";
import { driverKind } from "./driver.ts";

/** The running containers that may write to volumes of their slot. */
export function volumeUsers(containers: readonly OwnedContainer[], records: ReadonlyMap<string, InstanceRecord>): VolumeUser[] {
  return containers.flatMap((container) => {
    if (container.role !== "app" || container.pid === 0) return [];
    const template = records.get(instanceKey(container))?.spec.template;
    const mounts = template?.containers.find(({ name }) => name === container.container)?.mounts ?? [];
    const { set, index, pid } = container;
    return (template?.volumes ?? [])
      .filter((volume) => driverKind(volume) !== null)
      .map(({ name }) => ({
        set,
        index,
        name,
        container: container.container,
        pid,
        writablePaths: mounts.filter((mount) => mount.volume === name && !mount.readOnly).map(({ path }) => path),
        readOnlyPaths: mounts.filter((mount) => mount.volume === name && mount.readOnly).map(({ path }) => path),
      }))
      .filter(({ writablePaths }) => writablePaths.length > 0);
  });
}
