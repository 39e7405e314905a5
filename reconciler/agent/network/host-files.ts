import { existsSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename, join } from "node:path";

/** What the network reads of the host without starting a program: microseconds each. */
export interface HostFiles {
  /** All links of the host with their counters, as in /proc/net/dev. */
  links(): string;
  hasLink(name: string): boolean;
  /** The kernel's number of a link, which tells it apart in its namespace; 0 for one that is not there. */
  indexOf(link: string): number;
  /** The bridge that a link is a port of; empty for one that is of none, or not there. */
  bridgeOf(link: string): string;
  /** The IPv4 routes that a process has, as in /proc/net/route; empty when it is gone. */
  routesOf(pid: number): string;
  /** A process in the network namespace that the host's links are in. */
  ownPid(): number;
  /** Whether the kernel speaks IPv6. */
  hasIpv6(): boolean;
  /** Differs after every start of the switch's daemon; empty while it was never started. */
  switchRun(): string;
  /** Differs after a start of the engine that made its socket anew. */
  engineRun(): string;
}

/** `root`: where the host's files are seen; another folder only when looked at from outside. */
export function createHostFiles(ovsRunFolder: string, dockerSocket: string, root = "/"): HostFiles {
  const pidFile = join(ovsRunFolder, "ovs-vswitchd.pid");
  const links = join(root, "sys/class/net");
  return {
    links: () => readFileSync("/proc/self/net/dev", "utf8"),
    hasLink: (name) => existsSync(join(links, name)),
    indexOf: (link) => Number(orEmpty(() => readFileSync(join(links, link, "ifindex"), "utf8"))),
    bridgeOf: (link) => orEmpty(() => basename(readlinkSync(join(links, link, "master")))),
    routesOf: (pid) => orEmpty(() => readFileSync(join(root, `proc/${pid}/net/route`), "utf8")),
    ownPid: () => process.pid,
    hasIpv6: () => existsSync(join(root, "proc/sys/net/ipv6")),
    switchRun: () => orEmpty(() => `${readFileSync(pidFile, "utf8").trim()}@${statSync(pidFile).mtimeMs}`),
    engineRun: () => orEmpty(() => `${statSync(dockerSocket).ino}@${statSync(dockerSocket).ctimeMs}`),
  };
}

function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
