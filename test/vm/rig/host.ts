import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createEngineApi, type EngineApi } from "../../hosts/rig/engine-api.ts";
import { run, tail, type CommandOptions, type CommandResult } from "../../hosts/rig/process.ts";
import { Hopeless, waitUntil } from "../../hosts/rig/wait.ts";
import type { Accelerator } from "./accelerator.ts";
import type { Image } from "./image.ts";
import { startQemu, type Card, type Qemu } from "./qemu.ts";
import { openLogin, type Login } from "./ssh.ts";

/** The disks every machine has; inside they are vda, vdb and vdc, and /dev/disk/by-id/virtio-NAME. Only the root has anything on it. */
export const DISKS = ["root", "data", "spare"] as const;
const EMPTY_DISKS = { data: "8G", spare: "1G" } as const;
/** Half a minute on an idle machine without KVM; others may be at work on this one. */
const BOOT_WITHIN_MS = 600_000;

/** Lines that systemd writes to the console. */
const LOGIN_LINE = "Started ssh.service";
const UP_LINE = "Reached target multi-user.target";

export interface VmPlace {
  readonly name: string;
  /** 1..200: the last part of its address. */
  readonly number: number;
  /** On disk: what survives a power cut. */
  readonly folder: string;
  readonly image: Image;
  readonly accelerator: Accelerator;
  /** What eth1 is connected to; see Lan. */
  readonly lan: string;
  /** The file with the host key of all machines. */
  readonly knownHosts: string;
  /** Hears of each new QEMU, and of the port that leads to the machine's sshd over its eth0. */
  readonly onStart: (pid: number, controlPort: number) => void;
}

/** A folder with a saved machine: its memory, the state of its devices, its disks. Never changed once it is made. */
export type Template = string;

export interface BootOptions {
  /** Disks that are not there this time. */
  readonly without?: readonly string[];
  /** Also disks that were added. False: returns when somebody can log in. */
  readonly untilUp?: boolean;
}

/** One machine with a kernel of its own: systemd, Docker, Open vSwitch, LVM. */
export class VmHost {
  readonly name: string;
  /** On eth1, which leads to the other machines. */
  readonly address: string;
  readonly folder: string;
  /** Docker's API, spoken to without its command line. */
  readonly engine: EngineApi;
  readonly #place: VmPlace;
  readonly #disks: string[] = [...DISKS];
  #running: { readonly qemu: Qemu; readonly login: Login } | null = null;

  /** A machine that is off and has no disks yet: resume() or install one. */
  constructor(place: VmPlace) {
    this.#place = place;
    this.name = place.name;
    this.address = `192.168.50.${place.number}`;
    this.folder = place.folder;
    this.engine = createEngineApi(() => join(this.folder, "docker.sock"));
    mkdirSync(place.folder, { recursive: true });
  }

  get isOn(): boolean {
    return this.#running !== null;
  }

  /** Runs a program on the machine, over a network card that cut() and unplug() leave alone; see run. It does not outlive its deadline. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return this.#on().login.exec(argv, options);
  }

  /** Docker's command line; resolves to what it printed. */
  async docker(...args: readonly string[]): Promise<string> {
    const { stdout } = await this.exec(["docker", ...args]);
    return stdout.trimEnd();
  }

  /** Makes a file on the machine, with its folders; mode 755 when executable. */
  async write(path: string, content: string | Uint8Array, mode = "644"): Promise<void> {
    await this.exec(["install", "-D", "-m", mode, "/dev/stdin", path], { input: content });
  }

  /** Copies a file or folder of this machine into a folder there. */
  async copyIn(from: string, folder: string): Promise<void> {
    await this.unpack(["-C", join(from, ".."), from.slice(join(from, "..").length + 1)], folder);
  }

  /** What `tar -c` with these arguments packs here goes into a folder there. */
  async unpack(packed: readonly string[], folder: string): Promise<void> {
    const archive = join(this.folder, "copied.tar");
    await run(["tar", "-cf", archive, ...packed], { deadlineMs: 120_000 });
    await this.exec(["mkdir", "-p", folder]);
    await this.exec(["tar", "-xf", "-", "--no-same-owner", "-C", folder], { input: readFileSync(archive), deadlineMs: 300_000 });
    rmSync(archive);
  }

  /** Switches on a machine that has disks. Resolves when systemd has started all it starts at boot, Docker and the agent too. */
  async boot({ without = [], untilUp = true }: BootOptions = {}): Promise<void> {
    await this.#boot(
      this.#disks.filter((name) => !without.includes(name)),
      null,
      untilUp,
    );
  }

  /** As boot, of a new machine with memory that can be saved. */
  async bootNew(): Promise<void> {
    await createDisk(join(this.folder, "root.qcow2"), ["-F", "raw", "-b", this.#place.image.root]);
    for (const [name, size] of Object.entries(EMPTY_DISKS)) await createDisk(join(this.folder, `${name}.qcow2`), [], size);
    await this.#boot(this.#disks, { path: join(this.folder, "ram"), shared: true }, true);
  }

  /** Becomes a copy of a saved machine, at the moment at which that was saved, with a name, address and chance of its own. */
  async resume(template: Template, { canBeSaved = false } = {}): Promise<void> {
    for (const name of this.#disks) {
      await createDisk(join(this.folder, `${name}.qcow2`), ["-F", "qcow2", "-b", join(template, `${name}.qcow2`)]);
    }
    const saved = join(template, "ram");
    const own = join(this.folder, "ram");
    if (canBeSaved) await run(["cp", "--sparse=always", saved, own]);
    const qemu = await this.#start(this.#disks, canBeSaved ? { path: own, shared: true } : { path: saved, shared: false }, true);
    try {
      await qemu.qmp.migrate("migrate-incoming", `cat ${template}/state`);
      await qemu.qmp.command("cont");
      await this.#login(qemu);
      await this.#becomeItself();
    } catch (error) {
      await qemu.kill();
      throw error;
    }
  }

  /** Ends the machine and leaves its folder as a template. */
  async save(): Promise<void> {
    const { qemu, login } = this.#on();
    await this.exec(["sync"]);
    await login.close();
    await qemu.qmp.command("stop");
    await qemu.qmp.migrate("migrate", `cat >${this.folder}/state`);
    await this.powerCut();
  }

  /** Adds an empty disk, which the machine has from its next boot() on, as the last one. */
  async addDisk(name: string, size: string): Promise<void> {
    await createDisk(join(this.folder, `${name}.qcow2`), [], size);
    this.#disks.push(name);
  }

  /** All processes end at once and what was in memory is gone; the disks keep what was written to them. */
  async powerCut(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    await running.qemu.kill();
    running.qemu.qmp.close();
    await running.login.close();
  }

  /** As `reboot` typed on the machine: services are stopped in their order. Resolves as boot() does. */
  async reboot(): Promise<void> {
    const { qemu, login } = this.#on();
    const from = this.#consoleSize();
    // The answer may be lost with the connection.
    const asked = this.exec(["systemctl", "--no-block", "reboot"], { anyExit: true }).catch(() => {});
    await this.#untilConsole(LOGIN_LINE, from);
    await login.close();
    await asked;
    await this.#login(qemu);
    await this.#untilConsole(UP_LINE, from);
  }

  /** Cuts the network between the reconciler and the machine (eth0): nothing arrives, and nobody is told. */
  cut(): Promise<void> {
    return this.#setLink("control", false);
  }

  mend(): Promise<void> {
    return this.#setLink("control", true);
  }

  /** Takes the cable to the other machines (eth1) out. */
  unplug(): Promise<void> {
    return this.#setLink("lan", false);
  }

  replug(): Promise<void> {
    return this.#setLink("lan", true);
  }

  /** The last lines of its console, where the journal goes too, for a message. */
  logTails(lines = 40): string {
    return ["console.log", "qemu.log"]
      .map((name) => join(this.folder, name))
      .filter((path) => existsSync(path) && statSync(path).size > 0)
      .map((path) => tail(path, lines))
      .join("\n");
  }

  async close(): Promise<void> {
    await this.powerCut();
    this.engine.close();
  }

  #on(): { readonly qemu: Qemu; readonly login: Login } {
    if (this.#running === null) throw new Error(`machine ${this.name} is off: boot() it first`);
    return this.#running;
  }

  async #start(disks: readonly string[], ram: { path: string; shared: boolean } | null, isResumed: boolean): Promise<Qemu> {
    if (this.#running !== null) throw new Error(`machine ${this.name} is on already`);
    const { image, accelerator, lan, onStart } = this.#place;
    const qemu = await startQemu({ image, accelerator, folder: this.folder, disks, lan, ram, isResumed });
    onStart(qemu.pid, qemu.ports.control);
    return qemu;
  }

  async #boot(disks: readonly string[], ram: { path: string; shared: boolean } | null, untilUp: boolean): Promise<void> {
    const from = this.#consoleSize();
    const qemu = await this.#start(disks, ram, false);
    try {
      await this.#untilConsole(LOGIN_LINE, from, qemu);
      await this.#login(qemu);
      if (untilUp) await this.#untilConsole(UP_LINE, from, qemu);
    } catch (error) {
      await qemu.kill();
      throw error;
    }
  }

  async #login(qemu: Qemu): Promise<void> {
    const { image, knownHosts } = this.#place;
    const entry = { alias: `${this.name}-rig`, port: qemu.ports.rig, identity: image.identity, knownHosts };
    this.#running = { qemu, login: await openLogin(entry, this.folder, () => this.logTails()) };
  }

  /** What copies of one machine must not share: the clock's error, the state of the kernel's random numbers, name and addresses. */
  async #becomeItself(): Promise<void> {
    await this.exec(["date", "--set", `@${(Date.now() / 1000).toFixed(3)}`]);
    // 0x5207: RNDRESEEDCRNG.
    const reseed = 'open R, "+>", "/dev/urandom"; syswrite R, $ARGV[0]; ioctl R, 0x5207, 0 or die $!';
    await this.exec(["perl", "-e", reseed, randomBytes(32).toString("hex")]);
    await this.exec(["hostname", this.name]);
    await this.write("/etc/hostname", `${this.name}\n`);
    const part = this.#place.number.toString(16).padStart(2, "0");
    const card = `link set eth1 address 52:54:00:01:01:${part} mtu 1600 up\naddress add ${this.address}/24 dev eth1\n`;
    await this.exec(["ip", "-batch", "-"], { input: card });
    await this.exec(["tee", "--append", "/etc/rig/network"], { input: card });
    await this.exec(["sync"]);
  }

  async #setLink(card: Card, up: boolean): Promise<void> {
    await this.#on().qemu.qmp.command("set_link", { name: card, up });
  }

  #consoleSize(): number {
    const path = join(this.folder, "console.log");
    return existsSync(path) ? statSync(path).size : 0;
  }

  /** Waits for a line on the console after a place in its log. */
  async #untilConsole(line: string, from: number, qemu = this.#on().qemu): Promise<void> {
    const path = join(this.folder, "console.log");
    const isThere = (): boolean => {
      if (!qemu.isRunning()) throw new Hopeless("QEMU ended");
      return readFileSync(path).subarray(from).includes(line);
    };
    const evidence = (): string => this.logTails();
    await waitUntil(`"${line}" on the console of ${this.name}`, isThere, { deadlineMs: BOOT_WITHIN_MS, everyMs: 50, evidence });
  }
}

async function createDisk(path: string, backing: readonly string[], ...size: readonly string[]): Promise<void> {
  await run(["qemu-img", "create", "-q", "-f", "qcow2", ...backing, path, ...size]);
}
