import { spawn } from "node:child_process";
import { endOf, inNetwork, RIG_PATH, run, type CommandOptions, type CommandResult } from "./process.ts";
import { waitUntil } from "./wait.ts";
import { readlinkSync } from "node:fs";

/** Larger than what containers send, so that a VLAN tag and a VXLAN header fit in. */
const MTU = "1600";

/** The cable duct: a bridge in a network namespace of its own, with two cables to every host. */
export interface Fabric {
  readonly pid: number;
  /**
   * Connects a host: `eth0` with the address 192.168.50.NUMBER/24, and `eth1` without one, which carries the VLANs of containers.
   * Cables of the same number from before are taken away first.
   */
  plug(number: number, initPid: number): Promise<void>;
  /** Takes both cables of a host down, or up again. */
  setLink(number: number, state: "up" | "down"): Promise<void>;
  /** Runs a program beside the bridge, where all hosts can be reached at their eth0. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  close(): Promise<void>;
}

export async function createFabric(): Promise<Fabric> {
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"], {
    cwd: "/",
    env: { PATH: RIG_PATH },
    stdio: "ignore",
  });
  const ended = endOf(child);
  const pid = child.pid!;
  const own = readlinkSync("/proc/self/ns/net");
  await waitUntil("the network namespace of the fabric", () => readlinkSync(`/proc/${pid}/ns/net`) !== own);
  const exec = (argv: readonly string[], options?: CommandOptions): Promise<CommandResult> => run(inNetwork(pid, argv), options);
  const batch = (lines: readonly string[]): Promise<CommandResult> => exec(["ip", "-batch", "-"], { input: `${lines.join("\n")}\n` });
  await batch([
    "link set lo up",
    `link add fabric type bridge forward_delay 0`,
    "link set fabric up",
    "addr add 192.168.50.254/24 dev fabric",
  ]);
  return {
    pid,
    exec,
    async plug(number, initPid) {
      for (const end of endsOf(number)) await exec(["ip", "link", "del", end], { anyExit: true });
      await batch(
        endsOf(number).flatMap((end, index) => [
          `link add ${end} mtu ${MTU} type veth peer name eth${index} address ${macOf(number, index)} mtu ${MTU} netns ${initPid}`,
          `link set ${end} master fabric up`,
        ]),
      );
      const inside = (argv: readonly string[]): Promise<CommandResult> => run(inNetwork(initPid, argv));
      // The datapath in user space does not fill in checksums that the kernel left open.
      for (const end of endsOf(number)) await exec(["ethtool", "-K", end, "tx", "off"]);
      for (const end of ["eth0", "eth1"]) await inside(["ethtool", "-K", end, "tx", "off"]);
      await run(inNetwork(initPid, ["ip", "-batch", "-"]), {
        input: `addr add 192.168.50.${number}/24 dev eth0\nlink set eth0 up\nlink set eth1 up\n`,
      });
    },
    async setLink(number, state) {
      await batch(endsOf(number).map((end) => `link set ${end} ${state}`));
    },
    async close() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** A network card keeps its address over boots, and neighbours rely on it. */
function macOf(number: number, index: number): string {
  return `02:50:00:00:${number.toString(16).padStart(2, "0")}:0${index}`;
}

/** The fabric's ends of a host's cables. */
function endsOf(number: number): readonly string[] {
  return [`h${number}a`, `h${number}b`];
}
