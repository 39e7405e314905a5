import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { forgetNote, markOf, removeLeftovers, writeNote, type ProcessMark } from "../../hosts/rig/leftovers.ts";
import { CACHE } from "./cache.ts";
import { VmHost } from "./host.ts";
import { openLan } from "./lan.ts";
import { pathWithSsh, sshConfig } from "./ssh.ts";
import { ensureTemplate, writeKnownHosts } from "./template.ts";

export interface VmRigOptions {
  /** Names of the machines; letters and digits. */
  readonly hosts: readonly string[];
  /** Each has the agent of this source tree, installed as a unit; default: true. */
  readonly agents?: boolean;
}

/** Several machines, connected with each other. */
export interface VmRig {
  readonly folder: string;
  readonly hosts: readonly VmHost[];
  /** A PATH on which `ssh` knows the machines by their names, so that a HostPool can say `agent: ssh://NAME`. */
  readonly path: string;
  /** Throws for a name that is not in the rig. */
  host(name: string): VmHost;
  /** Ends every machine and removes all files. */
  close(): Promise<void>;
}

/** Counts rigs of this process, for names. */
const made = { rigs: 0 };

/** Machines that are up. First removes what crashed runs left, and makes what the cache lacks. */
export async function createVmRig(options: VmRigOptions): Promise<VmRig> {
  await removeLeftovers();
  const mould = await ensureTemplate(options.agents === false ? "base" : "installed");
  const id = `vm-${process.pid}-${++made.rigs}`;
  const folder = join(CACHE, "run", id);
  const processes: ProcessMark[] = [];
  const note = (): void => writeNote(id, { owner: markOf(process.pid), folder, cgroups: [], processes });
  note();
  const knownHosts = join(folder, "known_hosts");
  writeKnownHosts(knownHosts, mould.image);
  const lan = await openLan();
  const ports = new Map<string, number>();
  const { identity } = mould.image;
  const hosts = options.hosts.map((name, index) => {
    const onStart = (pid: number, port: number): void => {
      processes.push(markOf(pid));
      note();
      ports.set(name, port);
      writeFileSync(join(folder, "ssh_config"), sshConfig([...ports].map(([alias, at]) => ({ alias, port: at, identity, knownHosts }))));
    };
    const place = { name, number: index + 1, folder: join(folder, name), lan: lan.backend, knownHosts, onStart };
    return new VmHost({ ...place, image: mould.image, accelerator: mould.accelerator });
  });
  const close = async (): Promise<void> => {
    await Promise.all(hosts.map((host) => host.close()));
    await lan.close();
    rmSync(folder, { recursive: true, force: true });
    forgetNote(id);
  };
  try {
    const path = pathWithSsh(folder, join(folder, "ssh_config"));
    await Promise.all(hosts.map((host) => host.resume(mould.template)));
    return { folder, hosts, path, host: (name) => named(hosts, name), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function named(hosts: readonly VmHost[], name: string): VmHost {
  const found = hosts.find((host) => host.name === name);
  if (found === undefined) throw new Error(`the rig has no machine ${name}, only ${hosts.map((host) => host.name).join(", ")}`);
  return found;
}
