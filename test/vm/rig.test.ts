import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isAlive, markOf, removeLeftovers } from "../hosts/rig/leftovers.ts";
import { run, type CommandResult } from "../hosts/rig/process.ts";
import { waitFor, waitUntil } from "../hosts/rig/wait.ts";
import type { VmHost } from "./rig/host.ts";
import { createVmRig, type VmRig } from "./rig/rig.ts";

const TRY = join(import.meta.dirname, "rig/try.ts");
const FILE = "/mnt/file";

let rig: VmRig;
let alpha: VmHost;
let beta: VmHost;

beforeAll(async () => {
  rig = await createVmRig({ hosts: ["alpha", "beta"], agents: false });
  alpha = rig.host("alpha");
  beta = rig.host("beta");
});
afterAll(() => rig?.close());

async function told(host: VmHost, ...argv: readonly string[]): Promise<string> {
  return (await host.exec(argv)).stdout.trim();
}

/** As a user's own ssh, over the network card that cut() cuts. */
function ssh(name: string, ...argv: readonly string[]): Promise<CommandResult> {
  return run(["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", name, ...argv], { env: { PATH: rig.path }, anyExit: true });
}

/** Pings until one comes through, or none does. */
function untilPing(from: VmHost, address: string, comesThrough: boolean): Promise<void> {
  const isSo = async (): Promise<boolean> =>
    ((await from.exec(["ping", "-c", "1", "-W", "1", address], { anyExit: true })).exitCode === 0) === comesThrough;
  return waitUntil(`a ping to ${address} to be ${comesThrough ? "answered" : "lost"}`, isSo);
}

/** A file of random bytes on an LV of its own, in a volume group on the data disk; resolves to its checksum. */
async function fillVolume(host: VmHost, filesystem: string): Promise<string> {
  await host.exec(["vgcreate", "pool", "/dev/vdb"]);
  await host.exec(["lvcreate", "--yes", "--name", "data", "--size", "400M", "pool"]);
  await host.exec([`mkfs.${filesystem}`, "/dev/pool/data"]);
  await host.exec(["mount", "/dev/pool/data", "/mnt"]);
  await host.exec(["dd", "if=/dev/urandom", `of=${FILE}`, "bs=1M", "count=8", "conv=fsync"]);
  return told(host, "sha256sum", FILE);
}

/** Waits for udev, which activates a volume group when its last disk was seen. */
async function mountVolume(host: VmHost): Promise<void> {
  const isThere = async (): Promise<boolean> => (await host.exec(["test", "-e", "/dev/pool/data"], { anyExit: true })).exitCode === 0;
  await waitUntil(`the volume of ${host.name}`, isThere, { evidence: () => host.logTails() });
  await host.exec(["mount", "/dev/pool/data", "/mnt"]);
}

/** Whether a process of this machine has this among its arguments. */
function isRunning(argument: string): boolean {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(argument);
      } catch {
        // It has ended.
        return false;
      }
    });
}

test("copies of one machine are up side by side, each itself", async () => {
  const names = await Promise.all(rig.hosts.map(({ name }) => ssh(name, "hostname")));
  expect(names.map(({ stdout }) => stdout)).toEqual(["alpha\n", "beta\n"]);
  const random = await Promise.all(rig.hosts.map((host) => told(host, "od", "-An", "-tx8", "-N16", "/dev/urandom")));
  expect(new Set(random).size).toBe(2);
  expect(await told(alpha, "systemctl", "--failed", "--quiet")).toBe("");
  expect(await told(alpha, "systemctl", "is-active", "docker", "ssh", "openvswitch-switch")).toBe("active\nactive\nactive");
  expect(await beta.docker("run", "--rm", "rig.test/sleeper:1", "uname", "-r")).toBe(await told(beta, "uname", "-r"));
  await untilPing(alpha, beta.address, true);
});

test("arguments arrive as they are, and what fails or takes too long says so", async () => {
  expect(await told(alpha, "printf", "%s|", "a b", "it's", '"$HOME"', "*", "")).toBe(`a b|it's|"$HOME"|*||`);
  await expect(alpha.exec(["ls", "/nowhere"])).rejects.toThrow(/ls \/nowhere: exit code 2\n.*No such file/);
  await expect(alpha.exec(["sleep", "60"], { deadlineMs: 500 })).rejects.toThrow("sleep 60: no end within 0.5 s");
});

test("Open vSwitch has the kernel's datapath, and tc a real kernel", async () => {
  await alpha.exec(["ovs-vsctl", "add-br", "br0", "--", "add-port", "br0", "p0", "--", "set", "interface", "p0", "type=internal"]);
  expect(await told(alpha, "ovs-appctl", "dpif/show")).toMatch(/^system@ovs-system:.*\n\s+br0:/);
  await alpha.exec(["tc", "qdisc", "add", "dev", "p0", "root", "netem", "delay", "10ms"]);
  await alpha.exec(["tc", "qdisc", "add", "dev", "p0", "handle", "ffff:", "ingress"]);
  const police = ["u32", "match", "u32", "0", "0", "police", "rate", "10mbit", "burst", "64k", "drop"];
  await alpha.exec(["tc", "filter", "add", "dev", "p0", "parent", "ffff:", ...police]);
});

test("a network that is cut carries nothing, and the rig's own way in stays", async () => {
  await Promise.all([alpha.unplug(), beta.cut()]);
  await untilPing(alpha, beta.address, false);
  expect((await ssh("beta", "true")).exitCode).toBe(255);
  expect((await ssh("alpha", "true")).exitCode).toBe(0);
  expect(await told(beta, "hostname")).toBe("beta");
  await Promise.all([alpha.replug(), beta.mend()]);
  await untilPing(alpha, beta.address, true);
  await waitUntil("ssh to come through", async () => (await ssh("beta", "true")).exitCode === 0);
});

test("volumes, bridges and Docker are back after a reboot and after a power cut", async () => {
  await alpha.exec(["ovs-vsctl", "--may-exist", "add-br", "br0"]);
  const [ext4, xfs] = await Promise.all([fillVolume(alpha, "ext4"), fillVolume(beta, "xfs")]);
  const before = await Promise.all(rig.hosts.map((host) => told(host, "cat", "/proc/sys/kernel/random/boot_id")));
  // Not synchronised: may be lost, but must not harm the rest.
  await beta.exec(["dd", "if=/dev/zero", "of=/mnt/more", "bs=1M", "count=4"]);
  await beta.powerCut();
  expect(beta.isOn).toBe(false);
  await beta.addDisk("extra", "2G");
  await Promise.all([alpha.reboot(), beta.boot({ without: ["spare"] })]);
  const after = await Promise.all(rig.hosts.map((host) => told(host, "cat", "/proc/sys/kernel/random/boot_id")));
  expect(after[0]).not.toBe(before[0]);
  expect(after[1]).not.toBe(before[1]);
  await Promise.all(rig.hosts.map(mountVolume));
  expect(await Promise.all(rig.hosts.map((host) => told(host, "sha256sum", FILE)))).toEqual([ext4, xfs]);
  expect(await told(alpha, "ovs-vsctl", "list-br")).toBe("br0");
  expect(await told(beta, "lsblk", "--noheadings", "--nodeps", "--output", "SERIAL,SIZE")).toMatch(/^root\s+4G\ndata\s+8G\nextra\s+2G$/);
  expect(await Promise.all(rig.hosts.map((host) => host.docker("ps", "--quiet")))).toEqual(["", ""]);
  expect((await ssh("beta", "hostname")).stdout).toBe("beta\n");
  await untilPing(alpha, beta.address, true);
});

test("what a killed run leaves is gone after the next one's start", async () => {
  const child = spawn(process.execPath, [TRY, "--base", "--hosts", "gamma"], { stdio: ["ignore", "pipe", "inherit"] });
  const mark = markOf(child.pid!);
  const printed: string[] = [];
  child.stdout.on("data", (chunk: Buffer) => printed.push(chunk.toString()));
  const [, folder] = await waitFor("a machine of another run", () => /^ssh -F (\S+)\/ssh_config gamma/.exec(printed.join("")));
  const console = `path=${folder}/gamma/console.log`;
  expect(isRunning(console)).toBe(true);
  child.kill("SIGKILL");
  await waitUntil("its machine to end with it", () => !isAlive(mark) && !isRunning(console));
  expect(existsSync(folder!)).toBe(true);
  await removeLeftovers();
  expect(existsSync(folder!)).toBe(false);
  expect(existsSync(rig.folder)).toBe(true);
});
