import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { shortHash } from "../../core/hash.ts";
import type { InstanceRef, Resolver } from "../ports.ts";
import { hostname } from "./bodies.ts";

/*
 * Files that tell containers names of others: the agent's own, mounted, where Docker has none or its own would need the engine.
 */

/** One resolv.conf per content, shared by all Instances that have it; null for Docker's own. */
export async function writeResolvConf(folder: string, resolver: Resolver | null): Promise<string | null> {
  if (resolver === null) return null;
  const text = resolvConf(resolver);
  const path = join(folder, "resolv", `${shortHash(text)}.conf`);
  if ((await readFile(path, "utf8").catch(() => null)) === text) return path;
  await mkdir(join(folder, "resolv"), { recursive: true });
  // Several Instances start at once: each writes a file of its own, and the last one stays.
  const written = `${path}.${randomUUID()}`;
  await writeFile(written, text, { mode: 0o644 });
  await rename(written, path);
  return path;
}

function resolvConf({ nameservers, search, options }: Resolver): string {
  const lines = nameservers.map((address) => `nameserver ${address}\n`);
  if (search.length > 0) lines.push(`search ${search.join(" ")}\n`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}\n`);
  return lines.join("");
}

/** The Instance's own /etc/hosts, as Docker would write it. Its containers share it and may change it, so one that is there is left as it is. */
export async function writeHosts(folder: string, ref: InstanceRef, ip: string): Promise<string> {
  const path = hostsPath(folder, ref);
  const text = `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${ip}\t${hostname(ref)}\n`;
  await mkdir(join(folder, "hosts"), { recursive: true });
  try {
    // It must be there after a power cut: a container whose file is missing does not start.
    await writeFile(path, text, { mode: 0o644, flag: "wx", flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return path;
}

/** Done when there is none. */
export async function removeHosts(folder: string, ref: InstanceRef): Promise<void> {
  await rm(hostsPath(folder, ref), { force: true });
}

function hostsPath(folder: string, { set, index, generation }: InstanceRef): string {
  return join(folder, "hosts", `${set}-${index}.g${generation}`);
}
