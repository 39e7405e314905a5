import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { findBusybox } from "./images.ts";
import { RIG_PATH } from "./process.ts";

/** Programs the rig runs, by the Debian package that has them. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  "docker.io": ["dockerd", "docker", "containerd", "runc"],
  "openvswitch-switch": ["ovsdb-server", "ovs-vswitchd", "ovsdb-tool", "ovs-vsctl", "ovs-ofctl"],
  iproute2: ["ip", "tc"],
  ethtool: ["ethtool"],
  iperf3: ["iperf3"],
  iptables: ["iptables"],
  "iputils-ping": ["ping"],
  "util-linux": ["unshare", "nsenter", "setpriv"],
  "perl-base": ["perl"],
  git: ["git"],
};

/** The namespaces of a host, tried on a program that does nothing. */
const NAMESPACES = ["--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "true"];

/** What this machine lacks to be several Docker hosts, each with what to do about it; empty: it lacks nothing. */
export function lackingRequirements(): readonly string[] {
  if (process.platform !== "linux") return ["Linux: the hosts are namespaces of its kernel"];
  const lacking = lackingPrograms(PROGRAMS);
  return process.getuid!() === 0 ? [...lacking, ...lackingOfKernel()] : lacking;
}

/** What of these programs, by Debian package, this machine lacks; also the busybox that images are made of, and root. */
export function lackingPrograms(wanted: Readonly<Record<string, readonly string[]>>): readonly string[] {
  const lacking = Object.entries(wanted).flatMap(([source, programs]) => {
    const missing = programs.filter((program) => !isInstalled(program));
    return missing.length === 0 ? [] : [`${missing.join(", ")}: apt-get install ${source}`];
  });
  if (findBusybox() === null) lacking.push("a static busybox: apt-get install busybox-static");
  if (process.getuid!() !== 0) lacking.push("root: run it with sudo, or as root in a virtual machine");
  return lacking;
}

function lackingOfKernel(): readonly string[] {
  const lacking: string[] = [];
  if (!existsSync("/dev/net/tun")) lacking.push("/dev/net/tun: modprobe tun");
  if (!existsSync("/sys/fs/cgroup") || readdirSync("/sys/fs/cgroup").length === 0) lacking.push("cgroups mounted at /sys/fs/cgroup");
  const tried = spawnSync("unshare", NAMESPACES, { env: { PATH: RIG_PATH }, encoding: "utf8", timeout: 10_000 });
  if (tried.status !== 0) lacking.push(`new namespaces (${(tried.stderr ?? "").trim()}): in a container, run it with --privileged`);
  return lacking;
}

function isInstalled(program: string): boolean {
  return RIG_PATH.split(":").some((folder) => existsSync(join(folder, program)));
}
