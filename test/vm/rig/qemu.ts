import { spawn } from "node:child_process";
import { closeSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { endOf, RIG_PATH, tail } from "../../hosts/rig/process.ts";
import { QEMU, qemuVersion, type Accelerator } from "./accelerator.ts";
import type { Image } from "./image.ts";
import { openQmp, type Qmp } from "./qmp.ts";

export const RAM_MIB = 1024;

/** The cards of every machine, in the order of eth0, eth1 and eth2 inside. */
export const CARDS = ["control", "lan", "rig"] as const;
export type Card = (typeof CARDS)[number];

/**
 * Without shuffled addresses, which would make QEMU translate every program anew, and without the kernel's trial of its timer, in which it gives
 * up where this machine is so busy that the interrupt comes late.
 */
const KERNEL_ARGUMENTS =
  "no_timer_check console=ttyS0 quiet mitigations=off nokaslr norandmaps no5lvl apparmor=0 rcupdate.rcu_expedited=1 panic=-1 net.ifnames=0 " +
  "systemd.show_status=1 systemd.log_color=0";

export interface QemuPlace {
  readonly image: Image;
  readonly accelerator: Accelerator;
  /** Holds the machine's disks `NAME.qcow2`, its console and its logs. */
  readonly folder: string;
  /** In the order in which the machine sees them: the first is vda. */
  readonly disks: readonly string[];
  /** What its second card is connected to. */
  readonly lan: string;
  /**
   * Null: memory that is nowhere else. `shared`: written to the file, so that it can be saved; else the file is only where it begins.
   */
  readonly ram: { readonly path: string; readonly shared: boolean } | null;
  /** Waits for a saved state instead of booting. */
  readonly isResumed: boolean;
}

/** A running machine. */
export interface Qemu {
  readonly pid: number;
  readonly qmp: Qmp;
  /** Ports of 127.0.0.1 that lead to the machine's sshd. */
  readonly ports: { readonly control: number; readonly rig: number };
  readonly ended: Promise<unknown>;
  isRunning(): boolean;
  /** At once, as when the power fails. */
  kill(): Promise<void>;
}

/** What a saved state fits: the same QEMU, with these arguments. */
export function savedFor(image: Image, accelerator: Accelerator, disks: readonly string[]): string {
  const machine = argumentsOf({ image, accelerator, folder: "/", disks, lan: "none", ram: null, isResumed: false });
  return [qemuVersion(), ...machine].join(" ");
}

function machineArguments(accelerator: Accelerator): readonly string[] {
  const processor = {
    // One CPU: as fast as two where machines share the cores, and QEMU 7.2 with two locks up now and then.
    tcg: ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem"],
    kvm: ["-accel", "kvm", "-cpu", "host"],
  }[accelerator];
  const bare = ["-nodefaults", "-no-user-config", "-display", "none"];
  return ["-M", "q35,memory-backend=ram", ...processor, "-smp", "1", "-m", `${RAM_MIB}M`, ...bare, "-append", KERNEL_ARGUMENTS];
}

/** Starts a machine, which ends with this process. */
export async function startQemu(place: QemuPlace): Promise<Qemu> {
  const { folder } = place;
  const socket = join(folder, "qmp");
  const log = join(folder, "qemu.log");
  rmSync(socket, { force: true });
  const output = openSync(log, "a");
  // setpriv becomes QEMU, so the pid is QEMU's.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", QEMU, ...argumentsOf(place)], {
    cwd: "/",
    env: { PATH: RIG_PATH },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const ended = endOf(child);
  const gone = new AbortController();
  void ended.then(() => gone.abort());
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  try {
    const died = ended.then((end) => {
      throw new Error(`QEMU ended with ${String(end)}\n${tail(log)}`);
    });
    const qmp = await Promise.race([openQmp(socket, () => tail(log)), died]);
    died.catch(() => {});
    const ports = portsOf(await qmp.monitor("info usernet"));
    return { pid: child.pid!, qmp, ports, ended, isRunning: () => !gone.signal.aborted, kill };
  } catch (error) {
    await kill();
    throw error;
  }
}

function argumentsOf({ image, accelerator, folder, disks, lan, ram, isResumed }: QemuPlace): readonly string[] {
  const memory =
    ram === null ? "memory-backend-ram,id=ram" : `memory-backend-file,id=ram,mem-path=${ram.path},share=${ram.shared ? "on" : "off"}`;
  // Any free port, and no way out: neither to the network of this machine nor to the world.
  const user = (net: string): string => `user,ipv6=off,restrict=on,net=${net}.0/24,hostfwd=tcp:127.0.0.1:0-${net}.15:22`;
  const backends: Readonly<Record<Card, string>> = { control: user("10.0.2"), lan, rig: user("10.0.3") };
  const disk = (name: string): readonly string[] => {
    const file = `file=${join(folder, `${name}.qcow2`)},format=qcow2,cache=unsafe,discard=unmap`;
    return ["-drive", `if=none,id=${name},${file}`, "-device", `virtio-blk-pci,drive=${name},serial=${name}`];
  };
  const card = (name: Card, index: number): readonly string[] => {
    const device = `virtio-net-pci,netdev=${name},id=card-${name},romfile=,mac=52:54:00:00:0${index}:01`;
    return ["-netdev", `${backends[name]},id=${name}`, "-device", device];
  };
  const start = ["-kernel", image.kernel, "-initrd", image.initrd, "-object", `${memory},size=${RAM_MIB}M`];
  const console = ["-chardev", `file,id=console,path=${join(folder, "console.log")},append=on`, "-serial", "chardev:console"];
  const control = ["-qmp", `unix:${join(folder, "qmp")},server=on,wait=off`];
  const devices = [...disks.flatMap(disk), ...CARDS.flatMap(card), "-device", "virtio-rng-pci"];
  return [...machineArguments(accelerator), ...start, ...console, ...control, ...devices, ...(isResumed ? ["-incoming", "defer"] : [])];
}

/** From `info usernet`, which lists the ports that the kernel chose. */
function portsOf(told: string): { readonly control: number; readonly rig: number } {
  const port = (address: string): number => {
    const found = new RegExp(`HOST_FORWARD\\]\\s+\\d+\\s+127\\.0\\.0\\.1\\s+(\\d+)\\s+${address.replaceAll(".", "\\.")}\\s+22\\b`).exec(
      told,
    );
    if (found === null) throw new Error(`QEMU forwards no port to ${address}:\n${told}`);
    return Number(found[1]);
  };
  return { control: port("10.0.2.15"), rig: port("10.0.3.15") };
}
