import { type PluginBody, type PluginCalls, recordOf, textOf } from "../../docker-plugin/plugin-calls.ts";

/*
 * Docker's volume plugin protocol. A volume has a name; each use of it by a container has an id, which is another one at each start.
 */

/** A volume as Docker is told of it. */
export interface UserVolume {
  readonly name: string;
  /** Where its data is to be found on the host; empty while it is not mounted. */
  readonly path: string;
  /** Shown by `docker volume inspect`. */
  readonly status: Readonly<Record<string, string | number>>;
}

/** What the plugin does for Docker. Every call ends at its signal, may come twice, and rejects with a sentence for people. */
export interface UserVolumes {
  create(name: string, options: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
  /** Docker saw that no container has it. */
  remove(name: string, signal: AbortSignal): Promise<void>;
  /** Resolves to where a container finds the data. */
  mount(name: string, id: string, signal: AbortSignal): Promise<string>;
  unmount(name: string, id: string, signal: AbortSignal): Promise<void>;
  /** Null for one that is not there. */
  get(name: string): Promise<UserVolume | null>;
  list(): Promise<readonly UserVolume[]>;
}

/** A file system is made within; Docker itself gives up after one minute at the earliest. */
const DEADLINE_MS = 55_000;

/** Every call of the protocol, for these volumes. */
export function volumeCalls(volumes: UserVolumes): PluginCalls {
  const nameOf = (body: PluginBody): string => textOf(body, "Name");
  const found = async (body: PluginBody): Promise<UserVolume> => {
    const volume = await volumes.get(nameOf(body));
    if (volume === null) throw new Error(`no such volume: ${nameOf(body)}`);
    return volume;
  };
  return {
    kind: "volume",
    deadlineMs: DEADLINE_MS,
    calls: {
      "/Plugin.Activate": () => ({ Implements: ["VolumeDriver"] }),
      "/VolumeDriver.Capabilities": () => ({ Capabilities: { Scope: "local" } }),
      "/VolumeDriver.Create": async (body, signal) => {
        await volumes.create(nameOf(body), optionsOf(body), signal);
        return {};
      },
      "/VolumeDriver.Remove": async (body, signal) => {
        await volumes.remove(nameOf(body), signal);
        return {};
      },
      "/VolumeDriver.Mount": async (body, signal) => ({ Mountpoint: await volumes.mount(nameOf(body), textOf(body, "ID"), signal) }),
      "/VolumeDriver.Unmount": async (body, signal) => {
        await volumes.unmount(nameOf(body), textOf(body, "ID"), signal);
        return {};
      },
      "/VolumeDriver.Path": async (body) => ({ Mountpoint: (await found(body)).path }),
      // Docker looks for a volume before it makes one: that it is not there is no refusal.
      "/VolumeDriver.Get": async (body) => {
        const volume = await volumes.get(nameOf(body));
        return volume === null ? { Err: "no such volume" } : { Volume: shown(volume) };
      },
      "/VolumeDriver.List": async () => ({ Volumes: (await volumes.list()).map(shown) }),
    },
  };
}

function shown({ name, path, status }: UserVolume): object {
  return { Name: name, Mountpoint: path, Status: status };
}

/** Docker passes texts, and null where there are none. */
function optionsOf(body: PluginBody): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(recordOf(body, "Opts")).map(([key, value]) => [key, String(value)]));
}
