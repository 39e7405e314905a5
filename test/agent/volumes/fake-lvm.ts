import { dirname } from "node:path";
import type { Mount } from "../../../reconciler/agent/cgroup/mounts.ts";
import { type Command, CommandError, type RunCommand } from "../../../reconciler/agent/commands.ts";
import type { VolumeFiles } from "../../../reconciler/agent/volumes/files.ts";
import { LvmDriver } from "../../../reconciler/agent/volumes/lvm/lvm-driver.ts";

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;
const EXTENT = 4 * MIB;
/** What newer xfsprogs make no file system below. */
const LEAST_XFS = 300 * MIB;

interface FakeFilesystem {
  readonly type: "ext4" | "xfs";
  sizeBytes: number;
  /** Text by path. */
  readonly files: Map<string, string>;
  /** Its making was cut short, or its disk was: it can't be mounted. */
  damaged: boolean;
}

export interface FakeLv {
  readonly uuid: string;
  name: string;
  sizeBytes: number;
  tags: string[];
  minor: number | null;
  readonly pool: string | null;
  partial: boolean;
  filesystem: FakeFilesystem | null;
}

interface FakeMount {
  readonly point: string;
  readonly lv: FakeLv;
  readOnly: boolean;
}

/** The process that gave the command is gone; nobody hears how it ended. */
export class Killed extends Error {}

/** One host's LVM, file systems and mounts in memory, worked by the very command lines the host's programs get; what it does not know throws. */
export class FakeLvm {
  readonly group = "vg0";
  totalBytes = 100 * GIB;
  volumes: FakeLv[] = [];
  mounts: FakeMount[] = [];
  /** Shares of the thin pool `thin` in use; null: there is none. */
  thin: { data: number; metadata: number } | null = null;
  groupIsThere = true;
  /** A physical volume is gone. */
  missing = false;
  /** Programs that are not installed. */
  readonly lacking = new Set<string>();
  /** By mount point: who is inside. */
  readonly inside = new Map<string, string>();
  /** Folders of mount points on the host's own disk, with what lies in them. */
  readonly folders = new Map<string, string[]>();
  /** Everything that changed something, oldest first. */
  readonly effects: string[] = [];
  /** Called before each command; may throw or never resolve. */
  before: (line: string) => Promise<void> | void = () => {};
  /** The agent is killed when as many effects are done, or in the middle of the next one; null: it is not. */
  killAfter: { readonly effects: number; readonly midway: boolean } | null = null;
  readonly log: string[] = [];
  reads = 0;
  #dead = false;
  #serial = 0;

  constructor() {
    this.#foreign("vm1-root", []);
    this.#foreign("other", [
      "setpoint.fleet=other",
      "setpoint.set=web",
      "setpoint.index=0",
      "setpoint.volume=data",
      "setpoint.state=ready",
    ]);
  }

  #foreign(name: string, tags: string[]): void {
    const filesystem: FakeFilesystem = { type: "ext4", sizeBytes: GIB, files: new Map([["theirs", name]]), damaged: false };
    this.volumes.push({
      uuid: `foreign-${name}`,
      name,
      sizeBytes: GIB,
      tags,
      minor: this.#serial++,
      pool: null,
      partial: false,
      filesystem,
    });
  }

  /** A new run of the agent. */
  driver(fleet = "shop"): LvmDriver {
    this.#dead = false;
    this.killAfter = null;
    const note = (fields: Readonly<Record<string, unknown>>, message: string): void => {
      const error = fields["error"];
      this.log.push(`${message} ${error instanceof Error ? error.message : ""}`);
    };
    const told = (): { fleet: string; host: string } => ({ fleet, host: "a-1" });
    return new LvmDriver({
      run: this.run,
      files: this.files,
      folder: "/state/volumes",
      told,
      log: { info: note, warn: note, error: note },
    });
  }

  /** Kills the agent after so many effects from now. */
  kill(effects: number, midway: boolean): void {
    this.killAfter = { effects: this.effects.length + effects, midway };
  }

  /** The machine boots: nothing is mounted or active. */
  reboot(): void {
    this.mounts = [];
    for (const lv of this.volumes) lv.minor = null;
  }

  get freeBytes(): number {
    const taken = this.volumes.filter(({ pool }) => pool === null).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return this.totalBytes - taken - (this.thin === null ? 0 : 10 * GIB);
  }

  /** A file that a container wrote, or reads. */
  fileAt(point: string, file: string): { write(text: string): void; read(): string | undefined } {
    const mount = this.mounts.findLast((it) => it.point === point);
    if (mount === undefined) throw new Error(`nothing is mounted at ${point}`);
    const { files } = mount.lv.filesystem!;
    return { write: (text) => void files.set(file, text), read: () => files.get(file) };
  }

  named(name: string): FakeLv | undefined {
    return this.volumes.find((lv) => lv.name === name);
  }

  readonly run: RunCommand = async (command, signal) => {
    const line = [command.program, ...command.args].join(" ");
    signal.throwIfAborted();
    this.#refuseDead();
    await this.before(line);
    await Promise.resolve();
    if (this.lacking.has(command.program)) throw new CommandError(command, "not-found", "");
    if (["vgs", "lvs", "pvs"].includes(command.program)) {
      this.reads++;
      return this.#report(command);
    }
    let said = "";
    this.#effect(line, (midway) => (said = this.#change(command, midway)));
    return said;
  };

  readonly files: VolumeFiles = {
    mounts: () => {
      this.#refuseDead();
      return Promise.resolve(this.mounts.map(toMount));
    },
    makeFolder: (path) => this.#file(`mkdir ${path}`, () => void (this.folders.has(path) || this.folders.set(path, []))),
    isEmpty: (path) => Promise.resolve(this.folders.get(path)!.length === 0),
    dropFolder: (path) => this.#file(`rmdir ${path}`, () => void this.folders.delete(path)),
    makeData: (path, owner) =>
      this.#file(`data ${path} ${owner === null ? "all" : `${owner.uid}:${owner.gid}`}`, () => {
        const file = this.fileAt(dirname(path), "data/");
        if (file.read() === undefined) file.write(owner === null ? "all" : String(owner.uid));
      }),
    usedBytes: (point) => {
      const files = this.mounts.find((it) => it.point === point)!.lv.filesystem!.files;
      return Promise.resolve([...files.values()].reduce((sum, text) => sum + text.length * MIB, 0));
    },
    holders: (_device, point) => Promise.resolve([this.inside.get(point)!]),
  };

  #file(label: string, work: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#refuseDead();
      this.#effect(label, work);
      resolve();
    });
  }

  #refuseDead(): void {
    if (this.#dead) throw new Killed("the agent is dead");
  }

  /** Carries it out whole, or dies before it, or in the middle of it. */
  #effect(label: string, work: (midway: boolean) => void): void {
    const dies = this.killAfter !== null && this.effects.length >= this.killAfter.effects;
    if (dies && !this.killAfter!.midway) return this.#die();
    this.effects.push(label);
    if (!dies) return work(false);
    try {
      work(true);
    } catch {
      // Nobody hears of it.
    }
    this.#die();
  }

  #die(): never {
    this.#dead = true;
    throw new Killed("killed");
  }

  #report({ program, args }: Command): string {
    const error = (text: string): never => this.#fail({ program, args }, text);
    if (!args.includes("json") || !args.includes("b") || !args.includes("--nosuffix")) throw new Error(`can't read: ${args.join(" ")}`);
    if (!this.groupIsThere) return error(`  Volume group "${this.group}" not found\n  Cannot process volume group ${this.group}`);
    const rows = { vgs: () => this.#groupRows(), lvs: () => this.#volumeRows(), pvs: () => this.#deviceRows() }[program]!();
    const fields = args[args.indexOf("-o") + 1]!.split(",");
    const shown = rows.map((row) => Object.fromEntries(fields.map((field) => [field, known(row, field)])));
    return JSON.stringify({ report: [{ [{ vgs: "vg", lvs: "lv", pvs: "pv" }[program]!]: shown }] });
  }

  #groupRows(): Record<string, string>[] {
    const lost = this.missing ? "1" : "0";
    return [{ vg_name: this.group, vg_free: `${this.freeBytes}`, vg_extent_size: `${EXTENT}`, vg_missing_pv_count: lost }];
  }

  #deviceRows(): Record<string, string>[] {
    const gone = { pv_uuid: "Yk3-w2", pv_missing: "missing" };
    return [{ pv_uuid: "Ab1-c2", pv_missing: "" }, ...(this.missing ? [gone] : [])];
  }

  #volumeRows(): Record<string, string>[] {
    const [group] = this.#groupRows();
    const rows = this.volumes.map((lv) => ({
      ...group,
      lv_uuid: lv.uuid,
      lv_name: lv.name,
      lv_size: `${lv.sizeBytes}`,
      lv_layout: lv.pool === null ? "linear" : "thin,sparse",
      lv_tags: lv.tags.join(","),
      lv_active: lv.minor === null ? "" : "active",
      lv_kernel_major: lv.minor === null ? "-1" : "253",
      lv_kernel_minor: `${lv.minor ?? -1}`,
      lv_dm_path: this.#path(lv),
      pool_lv: lv.pool ?? "",
      data_percent: lv.pool === null ? "" : "1.00",
      metadata_percent: "",
      lv_health_status: lv.partial && this.missing ? "partial" : "",
    }));
    if (this.thin === null) return rows;
    const { data, metadata } = this.thin;
    const pool = { ...rows[0]!, lv_uuid: "pool", lv_name: "thin", lv_size: `${10 * GIB}`, lv_layout: "thin,pool", lv_tags: "" };
    return [...rows, { ...pool, data_percent: `${data * 100}`, metadata_percent: `${metadata * 100}` }];
  }

  #path(lv: FakeLv): string {
    return `/dev/mapper/${this.group}-${lv.name.replaceAll("-", "--")}`;
  }

  #change(command: Command, midway: boolean): string {
    const { program, args } = command;
    const changes: Record<string, () => void> = {
      lvcreate: () => this.#create(command),
      lvchange: () => this.#retag(command),
      lvrename: () => this.#rename(command),
      lvextend: () => this.#extend(command),
      lvremove: () => this.#remove(command),
      "mkfs.ext4": () => this.#make(command, "ext4", midway),
      "mkfs.xfs": () => this.#make(command, "xfs", midway),
      mount: () => this.#mount(command),
      umount: () => this.#unmount(command),
      resize2fs: () => this.#grow(command, this.#at(command, args[0]!)),
      xfs_growfs: () => this.#grow(command, this.mounts.findLast(({ point }) => point === args[1])?.lv),
    };
    const change = changes[program];
    if (change === undefined) throw new Error(`no such program here: ${program}`);
    // It does change tags and remove: what that leads to when the disk comes back is up to those who do it.
    if (this.missing && ["lvcreate", "lvrename", "lvextend"].includes(program)) {
      this.#fail(command, `  WARNING: VG ${this.group} is missing PV Yk3-w2.\n  Cannot change VG ${this.group} while PVs are missing.`);
    }
    change();
    return "";
  }

  #create(command: Command): void {
    const { rest, options } = parse(command, ["--name", "--size", "--virtualsize", "--thinpool", "--addtag", "--wipesignatures", "--zero"]);
    const name = options.get("--name")![0]!;
    const pool = options.get("--thinpool")?.[0] ?? null;
    const sizeBytes = Number.parseInt((options.get("--size") ?? options.get("--virtualsize"))![0]!, 10);
    if (rest.join() !== `--yes,${this.group}`) throw new Error(`can't read: lvcreate ${command.args.join(" ")}`);
    if (this.named(name) !== undefined) this.#fail(command, `  Logical Volume "${name}" already exists in volume group "${this.group}"`);
    if (pool === null && sizeBytes > this.freeBytes)
      this.#fail(command, `  Volume group "${this.group}" has insufficient free space (3 extents): 9 required.`);
    const tags = [...(options.get("--addtag") ?? [])];
    const filesystem = null;
    this.volumes.push({ uuid: `u${++this.#serial}`, name, sizeBytes, tags, minor: this.#serial, pool, partial: false, filesystem });
  }

  #retag(command: Command): void {
    const { rest, options } = parse(command, ["--addtag", "--deltag", "--activate"]);
    const lv = this.#lv(command, rest[0]!);
    if (options.has("--activate")) lv.minor ??= ++this.#serial;
    for (const tag of options.get("--deltag") ?? []) {
      if (!lv.tags.includes(tag)) throw new Error(`${lv.name} has no tag ${tag}`);
    }
    lv.tags = [...lv.tags.filter((tag) => options.get("--deltag")?.includes(tag) !== true), ...(options.get("--addtag") ?? [])].sort();
  }

  #rename(command: Command): void {
    const [group, from, to] = command.args as [string, string, string];
    const lv = this.#lv(command, `${group}/${from}`);
    if (this.named(to) !== undefined) this.#fail(command, `  Logical Volume "${to}" already exists in volume group "${group}"`);
    lv.name = to;
  }

  #extend(command: Command): void {
    const { rest, options } = parse(command, ["--size"]);
    const lv = this.#lv(command, rest[0]!);
    const sizeBytes = Number.parseInt(options.get("--size")![0]!, 10);
    if (sizeBytes <= lv.sizeBytes) this.#fail(command, "  New size given not larger than existing size");
    if (sizeBytes - lv.sizeBytes > this.freeBytes) this.#fail(command, "  Insufficient free space: 9 extents needed, but only 3 available");
    lv.sizeBytes = sizeBytes;
  }

  #remove(command: Command): void {
    const lv = this.#lv(command, command.args[1]!);
    if (this.mounts.some((mount) => mount.lv === lv))
      this.#fail(command, `  Logical volume ${this.group}/${lv.name} contains a filesystem in use.`);
    this.volumes = this.volumes.filter((it) => it !== lv);
  }

  #make(command: Command, type: "ext4" | "xfs", midway: boolean): void {
    const lv = this.#at(command, command.args.at(-1)!);
    if (this.mounts.some((mount) => mount.lv === lv)) this.#fail(command, `${command.args.at(-1)} contains a mounted filesystem`);
    if (type === "xfs" && lv.sizeBytes < LEAST_XFS)
      this.#fail(command, "Filesystem must be larger than 300MB.\nUsage: mkfs.xfs\n/* force overwrite */ [-f]");
    lv.filesystem = { type, sizeBytes: lv.sizeBytes, files: new Map(), damaged: midway };
  }

  #mount(command: Command): void {
    const [, type, , , device, point] = command.args as [string, string, string, string, string, string];
    const lv = this.#at(command, device);
    if (lv.filesystem?.type !== type || lv.filesystem.damaged) {
      this.#fail(command, `mount: ${point}: wrong fs type, bad option, bad superblock on ${device}, missing codepage or helper program`);
    }
    if (!this.folders.has(point)) this.#fail(command, `mount: ${point}: mount point does not exist.`);
    if (this.mounts.some((mount) => mount.point === point)) throw new Error(`${point} is mounted twice`);
    this.mounts.push({ point, lv, readOnly: false });
  }

  #unmount(command: Command): void {
    const point = command.args[0]!;
    if (this.inside.has(point)) this.#fail(command, `umount: ${point}: target is busy.`);
    if (!this.mounts.some((mount) => mount.point === point)) this.#fail(command, `umount: ${point}: not mounted.`);
    this.mounts = this.mounts.filter((mount) => mount.point !== point);
  }

  #grow(command: Command, lv: FakeLv | undefined): void {
    if (lv === undefined || !this.mounts.some((mount) => mount.lv === lv)) return this.#fail(command, "is not a mounted filesystem");
    lv.filesystem!.sizeBytes = lv.sizeBytes;
  }

  #lv(command: Command, path: string): FakeLv {
    const lv = this.volumes.find(({ name }) => path === `${this.group}/${name}`);
    return lv ?? this.#fail(command, `  Failed to find logical volume "${path}"`);
  }

  #at(command: Command, device: string): FakeLv {
    const lv = this.volumes.find((it) => it.minor !== null && this.#path(it) === device);
    return lv ?? this.#fail(command, `${device}: No such file or directory`);
  }

  #fail(command: Command, stderr: string): never {
    throw new CommandError(command, "exit", stderr);
  }
}

function toMount({ point, lv, readOnly }: FakeMount): Mount {
  const { type } = lv.filesystem!;
  return { device: `253:${lv.minor}`, root: "/", point, type, source: `/dev/mapper/${lv.name}`, options: [readOnly ? "ro" : "rw"] };
}

function known(row: Record<string, string>, field: string): string {
  const value = row[field];
  if (value === undefined) throw new Error(`no such field: ${field}`);
  return value;
}

/** Options with a value, any number of times each, and all else in order. */
function parse({ program, args }: Command, names: readonly string[]): { rest: string[]; options: Map<string, string[]> } {
  const [rest, options]: [string[], Map<string, string[]>] = [[], new Map()];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (names.includes(arg)) options.set(arg, [...(options.get(arg) ?? []), args[++at]!]);
    else if (arg.startsWith("--") && arg !== "--yes") throw new Error(`${program} has no option ${arg} here`);
    else rest.push(arg);
  }
  return { rest, options };
}
