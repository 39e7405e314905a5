import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createFabric, type Fabric } from "./fabric.ts";
import { RigHost } from "./host.ts";
import { imageArchive } from "./images.ts";
import { forgetNote, markOf, removeLeftovers, RIGS, writeNote, type ProcessMark } from "./leftovers.ts";

export interface RigOptions {
  /** Names of the hosts; letters and digits. */
  readonly hosts: readonly string[];
  /** Default: a new one, removed at the end. */
  readonly folder?: string;
  /** `bare` (default): Docker without a network of its own. `plain`: as apt installs it, with its bridge and iptables. */
  readonly docker?: "plain" | "bare";
  /** Open vSwitch runs; default: true. */
  readonly ovs?: boolean;
  /** Each host runs its agent, started before Docker as its unit does it; default: false. */
  readonly agents?: boolean;
  readonly liveRestore?: boolean;
}

/** Several Docker hosts on this machine. */
export interface Rig {
  readonly folder: string;
  readonly hosts: readonly RigHost[];
  readonly fabric: Fabric;
  /** Throws for a name that is not in the rig. */
  host(name: string): RigHost;
  /** Ends every process and removes everything from this machine. */
  close(): Promise<void>;
}

/** Counts rigs of this process, for names. */
const made = { rigs: 0 };

/** Machines that are on, with Docker running and the images of the tests loaded. First removes what crashed runs left. */
export async function createRig(options: RigOptions): Promise<Rig> {
  await removeLeftovers();
  const id = `${process.pid}-${++made.rigs}`;
  const folder = options.folder ?? join(RIGS, id);
  const cgroups = options.hosts.map((name) => `setpoint-rig-${id}-${name}`);
  const processes: ProcessMark[] = [];
  const note = (): void => writeNote(id, { owner: markOf(process.pid), folder, cgroups, processes });
  note();
  mkdirSync(folder, { recursive: true });
  const fabric = await createFabric();
  const hosts: RigHost[] = [];
  const onBoot = (pids: readonly number[]): void => {
    processes.push(...pids.map(markOf));
    note();
  };
  const close = async (): Promise<void> => {
    await Promise.all(hosts.map((host) => host.close()));
    await fabric.close();
    rmSync(folder, { recursive: true, force: true });
    forgetNote(id);
  };
  try {
    onBoot([fabric.pid]);
    for (const [index, name] of options.hosts.entries()) {
      const place = {
        name,
        number: index + 1,
        folder: join(folder, name),
        cgroup: cgroups[index]!,
        fabric,
        docker: options.docker ?? "bare",
        onBoot,
      };
      hosts.push(await RigHost.create(place));
    }
    const images = imageArchive();
    await Promise.all(hosts.map((host) => startHost(host, options, images)));
  } catch (error) {
    await close();
    throw error;
  }
  return { folder, hosts, fabric, host: (name) => named(hosts, name), close };
}

async function startHost(host: RigHost, { ovs, agents, liveRestore }: RigOptions, images: Uint8Array): Promise<void> {
  await host.boot();
  if (ovs !== false) await host.startSwitch();
  if (agents === true) await host.startAgent();
  await host.startDocker({ liveRestore: liveRestore === true });
  await host.engine.send("/images/load?quiet=1", images);
}

function named(hosts: readonly RigHost[], name: string): RigHost {
  const found = hosts.find((host) => host.name === name);
  if (found === undefined) throw new Error(`the rig has no host ${name}, only ${hosts.map((host) => host.name).join(", ")}`);
  return found;
}
