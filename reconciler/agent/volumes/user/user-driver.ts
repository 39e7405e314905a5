import type { StorageSettings } from "../../../core/host-settings.ts";
import { volumeCalls } from "./protocol.ts";
import { type PluginServer, servePlugin } from "../../docker-plugin/plugin-server.ts";
import { type Log, StepError } from "../../ports.ts";
import type { VolumeDriver } from "../driver.ts";
import { createUserVolumes, type UserVolumeParts } from "./user-volumes.ts";

export interface UserDriverOptions extends Omit<UserVolumeParts, "driver" | "looked"> {
  /** Has volumes of people alone. */
  readonly driver: VolumeDriver;
  /** Its name without `.sock` is the driver's name for Docker. */
  readonly socket: string;
  readonly log: Log;
}

/**
 * Volumes of people, made and used through Docker's volume plugin. To the reconciler they are nothing but their trash, so that it is
 * listed, expires and can be purged as all trash; the plugin is served while the pool has a volume group.
 */
export function createUserDriver(options: UserDriverOptions): VolumeDriver {
  const { driver, socket, log } = options;
  const first = Promise.withResolvers<void>();
  const looked = async (signal: AbortSignal): Promise<void> => {
    const late = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error("the host's volumes were not looked at yet; try again")), { once: true });
    });
    await Promise.race([first.promise, late]);
  };
  const volumes = createUserVolumes({ ...options, looked });
  let server: PluginServer | null = null;

  /** Before the first look: Docker, which may wait for the plugin to start containers, is answered as soon as can be. */
  async function serve(settings: StorageSettings | null): Promise<void> {
    const isWanted = settings !== null && settings.volumeGroup !== null;
    if (isWanted && server === null) server = await servePlugin(socket, volumeCalls(volumes), log);
    if (isWanted || server === null) return;
    await server.close();
    server = null;
  }

  return {
    kind: "lvm",
    capabilities: () => [],
    capacityBytes: () => 0,
    problem: () => null,
    volumes: () => [],
    trash: () => driver.trash(),
    async apply(settings, signal) {
      await serve(settings);
      await driver.apply(settings, signal).finally(() => first.resolve());
    },
    look: (signal) => driver.look(signal),
    measure: (signal) => driver.measure(signal),
    create: () => refuse(),
    grow: () => refuse(),
    trashVolume: () => refuse(),
    mount: () => refuse(),
    restore(_, trashId) {
      const text = `${trashId} was a volume of Docker's, not of a Set: \`docker volume create -d DRIVER -o restore=${trashId} NAME\` on that host brings it back`;
      return Promise.reject(new StepError("not-ours", text, { retry: "permanent", outcome: "refused" }));
    },
    purge: (trashId, trashedAtMs, signal) => driver.purge(trashId, trashedAtMs, signal),
    async close() {
      await server?.close();
      await driver.close();
    },
  };
}

/** Nobody asks it: it shows no volumes. */
function refuse(): Promise<never> {
  return Promise.reject(new Error("volumes of people are not for Sets"));
}
