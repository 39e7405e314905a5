import type { Capability } from "../../../core/desired.ts";
import type { StorageSettings } from "../../../core/host-settings.ts";
import { slotKey } from "../../../core/ids.ts";
import type { ObservedVolume, TrashedVolume } from "../../../core/observation.ts";
import { Lanes } from "../../apply/lanes.ts";
import type { Mount } from "../../cgroup/mounts.ts";
import { type Command, CommandError, type RunCommand } from "../../commands.ts";
import { createTurns } from "../../network/in-turn.ts";
import { type Log, StepError, type TrashNote, type VolumeRef, type VolumeRequest } from "../../ports.ts";
import { createRounds } from "../../rounds.ts";
import type { VolumeDriver, VolumeOwner } from "../driver.ts";
import type { VolumeFiles } from "../files.ts";
import { growFilesystem, makeFilesystem, mountFilesystem, unmountFilesystem } from "../filesystem.ts";
import { isSame, nameOf } from "../volumes.ts";
import { activateLv, removeLv, reportDevices, reportGroup, reportVolumes } from "./lvm-commands.ts";
import * as next from "./next.ts";
import { isReadOnly, missingProblem, problemsOf } from "./problems.ts";
import { missingCount, parseGroup, type Group, type OwnedVolume } from "./report.ts";
import { asStepError } from "./trouble.ts";

export interface LvmOptions {
  readonly run: RunCommand;
  readonly files: VolumeFiles;
  /** Below which volumes are mounted; absolute. */
  readonly folder: string;
  /** The fleet that the agent belongs to, and the host's name for messages; asked each time. */
  readonly told: () => { readonly fleet: string; readonly host: string };
  readonly log: Log;
}

/** More changes than any goal needs. */
const MOST_CHANGES = 12;
/** A change of use below this share of the volume is no news. */
const NEWS = 0.01;
/** The sub-folder of a volume that containers see: the root of an ext4 file system has a lost+found. */
const DATA = "data";

type Decide = (sight: next.Sight) => next.Next;

/** Volumes as logical volumes of one volume group. What they are stands in their tags; nothing else is remembered. */
export class LvmDriver implements VolumeDriver {
  readonly kind = "lvm";
  readonly #options: LvmOptions;
  /** What is decided from the group and what LVM does about it go together. */
  readonly #inTurn = createTurns();
  /** One change of a volume at a time. */
  readonly #lanes = new Lanes();
  readonly #lifetime = new AbortController();
  readonly #readSoon = createRounds(() => this.#read());
  #settings: Pick<StorageSettings, "volumeGroup" | "thinPool"> | null = null;
  #group: Group | null = null;
  #mounts: readonly Mount[] = [];
  /** Counts reads in the order in which they begin, and says which is shown. */
  #reads = 0;
  #shown = 0;
  /** Why the group can't be used; null while it answers. */
  #trouble: string | null = null;
  /** By UUID. */
  readonly #usedBytes = new Map<string, number>();

  constructor(options: LvmOptions) {
    this.#options = options;
  }

  capabilities(): readonly Capability[] {
    return this.#group !== null && this.#trouble === null ? ["lvm"] : [];
  }

  capacityBytes(): number {
    return this.#group === null ? 0 : next.capacityOf(this.#group, this.#settings?.thinPool ?? null);
  }

  problem(): string | null {
    const own = this.#group === null ? [] : problemsOf(this.#group, this.#mounts, this.#options.folder, this.#settings?.thinPool ?? null);
    const problems = this.#trouble === null ? own : [this.#trouble, ...own];
    return problems.length === 0 ? null : problems.join("; ");
  }

  async apply(settings: StorageSettings | null): Promise<void> {
    const { volumeGroup, thinPool } = settings ?? { volumeGroup: null, thinPool: null };
    this.#settings = volumeGroup === null ? null : { volumeGroup, thinPool };
    this.#group = null;
    this.#trouble = null;
    await this.look();
  }

  async look(): Promise<void> {
    if (this.#settings === null) return;
    const sight = await this.#readSoon();
    for (const volume of sight.group.volumes.filter(next.isOwned)) await this.#tidy(sight, volume);
  }

  async measure(): Promise<void> {
    await this.#measure(NEWS);
  }

  volumes(): readonly ObservedVolume[] {
    const ready = this.#ours().filter(({ owner }) => owner.state === "ready");
    return ready.map(({ uuid, sizeBytes, owner: { set, index, name, usedBytes } }) => {
      return { set, index, name, kind: this.kind, sizeBytes, usedBytes: this.#usedBytes.get(uuid) ?? usedBytes };
    });
  }

  trash(): readonly TrashedVolume[] {
    return this.#ours().flatMap(({ sizeBytes, owner: { set, index, name, usedBytes, trash } }) => {
      return trash === null ? [] : [{ set, index, name, kind: this.kind, sizeBytes, usedBytes, ...trash }];
    });
  }

  async create(request: VolumeRequest, signal: AbortSignal): Promise<void> {
    const { set, index, name, filesystem, sizeBytes } = request;
    const ref = { set, index, name };
    if (filesystem === null) throw new Error(`${nameOf(ref)} is a folder, which is not made on LVM`);
    const wanted = { filesystem, sizeBytes };
    await this.#reach(keyOf(ref), (sight) => next.nextToCreate(sight, ref, wanted), signal);
  }

  async grow(ref: VolumeRef, sizeBytes: number, signal: AbortSignal): Promise<void> {
    await this.#reach(keyOf(ref), (sight) => next.nextToGrow(sight, ref, sizeBytes), signal);
  }

  async trashVolume(ref: VolumeRef, note: TrashNote, signal: AbortSignal): Promise<void> {
    await this.#measure(0);
    const used = (volume: OwnedVolume): number => this.#usedBytes.get(volume.uuid) ?? volume.owner.usedBytes;
    await this.#reach(keyOf(ref), (sight) => next.nextToTrash(sight, ref, note, used), signal);
    const { files, folder } = this.#options;
    await files.dropFolder(next.mountPoint(folder, ref), folder);
  }

  async restore(ref: VolumeRef, trashId: string, trashedAtMs: number, signal: AbortSignal): Promise<void> {
    await this.#reach(keyOf(ref), (sight) => next.nextToRestore(sight, ref, trashId, trashedAtMs), signal);
  }

  async purge(trashId: string, trashedAtMs: number, signal: AbortSignal): Promise<void> {
    await this.#reach(trashId, (sight) => next.nextToPurge(sight, trashId, trashedAtMs), signal);
  }

  async mount(ref: VolumeRef, owner: VolumeOwner | null, signal: AbortSignal): Promise<string> {
    const { files, folder, told } = this.#options;
    this.#mounts = await files.mounts();
    // What is mounted already needs nothing of LVM, which may be slow or stuck.
    const isThere = this.#ours().some((volume) => isReady(volume, ref) && next.isMounted({ folder, mounts: this.#mounts }, volume));
    if (!isThere) await this.#reach(keyOf(ref), (sight) => next.nextToMount(sight, ref), signal);
    const mount = next.mountedThere({ folder, mounts: this.#mounts }, ref);
    if (mount !== undefined && isReadOnly(mount)) {
      const text = `the kernel made volume ${nameOf(ref)} on ${told().host} read-only after errors of its disk or file system`;
      throw new StepError("volume-damaged", text, { outcome: "refused" });
    }
    const data = `${next.mountPoint(folder, ref)}/${DATA}`;
    await files.makeData(data, owner);
    return data;
  }

  close(): Promise<void> {
    this.#lifetime.abort(new Error("the agent stops"));
    return Promise.resolve();
  }

  /** One change after the other until the goal is reached. */
  async #reach(lane: string, decide: Decide, signal: AbortSignal): Promise<void> {
    await this.#lanes.run(lane, async () => {
      for (let changes = 0; changes < MOST_CHANGES; changes++) {
        const step = await this.#changeGroup(decide, signal);
        if (step.kind === "done") return;
        if (step.kind !== "lvm") await this.#changeVolume(step.kind, step.volume, signal);
      }
      throw new StepError("volume-failed", `LVM on ${this.#options.told().host} does not show what it was told to do`);
    });
  }

  /** Decides, and has LVM do it if it is LVM's, while nobody else changes the group. */
  async #changeGroup(decide: Decide, signal: AbortSignal): Promise<next.Next> {
    return await this.#inTurn(async () => {
      const step = decide(await this.#read());
      if (step.kind === "lvm") await this.#run(step.command, null, signal);
      return step;
    });
  }

  async #changeVolume(kind: "format" | "mount" | "unmount" | "fill", found: OwnedVolume, signal: AbortSignal): Promise<void> {
    if (kind === "unmount") return await this.#unmount(found, signal);
    const volume = await this.#activate(found, signal);
    if (kind === "mount") await this.#mount(volume, signal);
    else if (kind === "format") await this.#format(volume, signal);
    else await this.#fill(volume, signal);
  }

  /** Makes its device be there; after a reboot that is not always so. */
  async #activate(volume: OwnedVolume, signal: AbortSignal): Promise<OwnedVolume> {
    if (volume.device !== null) return volume;
    if (volume.partial) {
      const text = `volume ${nameOf(volume.owner)} on ${this.#options.told().host} lies on a disk that is gone: ${missingProblem(this.#group!) ?? ""}`;
      throw new StepError("group-damaged", text, { outcome: "refused" });
    }
    await this.#inTurn(() => this.#run(activateLv(this.#groupName(), volume.name), volume, signal));
    const { group } = await this.#readSoon();
    const active = group.volumes.find(({ uuid }) => uuid === volume.uuid);
    if (active !== undefined && next.isOwned(active) && active.device !== null) return active;
    throw new StepError("volume-failed", `volume ${nameOf(volume.owner)} could not be activated on ${this.#options.told().host}`);
  }

  /** A file system that can't be made leaves nothing behind. */
  async #format(volume: OwnedVolume, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.run(makeFilesystem(volume.owner.filesystem, volume.path), signal);
    } catch (error) {
      const isFinal = error instanceof CommandError && error.kind !== "deadline" && error.kind !== "killed";
      if (isFinal) await this.#inTurn(() => this.#run(removeLv(this.#groupName(), volume.name), volume, signal));
      throw this.#explain(error, volume);
    }
    await this.#noteFilled(volume, signal);
  }

  async #mount(volume: OwnedVolume, signal: AbortSignal): Promise<void> {
    const { files, folder, told } = this.#options;
    const point = next.mountPoint(folder, volume.owner);
    await files.makeFolder(point);
    const other = next.mountedThere({ folder, mounts: await files.mounts() }, volume.owner);
    const why = other === undefined ? ((await files.isEmpty(point)) ? null : "it is not empty") : `${other.source} is mounted there`;
    if (why !== null) {
      const text = `volume ${nameOf(volume.owner)} can't be mounted at ${point} on ${told().host}: ${why}`;
      throw new StepError("mount-point-busy", text, { outcome: "refused" });
    }
    await this.#run(mountFilesystem(volume.owner.filesystem, volume.path, point, volume.pool !== null), volume, signal);
  }

  async #unmount(volume: OwnedVolume, signal: AbortSignal): Promise<void> {
    const { files, folder, run, told } = this.#options;
    const point = next.mountPoint(folder, volume.owner);
    try {
      await run(unmountFilesystem(point), signal);
    } catch (error) {
      if (!(error instanceof CommandError) || !/busy/i.test(error.stderr)) throw this.#explain(error, volume);
      const holders = await files.holders(volume.device!, point);
      const who = holders.length === 0 ? "a process that can't be seen any more" : holders.join(", ");
      throw new StepError("volume-busy", `volume ${nameOf(volume.owner)} on ${told().host} is in use by ${who}`);
    }
  }

  async #fill(volume: OwnedVolume, signal: AbortSignal): Promise<void> {
    const point = next.mountPoint(this.#options.folder, volume.owner);
    await this.#run(growFilesystem(volume.owner.filesystem, volume.path, point), volume, signal);
    await this.#noteFilled(volume, signal);
  }

  async #noteFilled(volume: OwnedVolume, signal: AbortSignal): Promise<void> {
    const { fleet } = this.#options.told();
    await this.#inTurn(() => this.#run(next.noteFilled(this.#groupName(), fleet, volume), volume, signal));
  }

  /** What somebody left half done; what is being worked on is not that. */
  async #tidy(sight: next.Sight, volume: OwnedVolume): Promise<void> {
    const lane = volume.owner.trash?.id ?? keyOf(volume.owner);
    const { log, told } = this.#options;
    if (this.#lanes.busy(lane)) return;
    if (next.nextToTidy(sight, volume.uuid).kind === "done") return;
    try {
      await this.#reach(lane, (now) => next.nextToTidy(now, volume.uuid), this.#lifetime.signal);
      log.info({ volume: nameOf(volume.owner), host: told().host }, "finished what was left half done");
    } catch (error) {
      this.#lifetime.signal.throwIfAborted();
      log.warn({ error, volume: nameOf(volume.owner) }, "what was left half done could not be finished");
    }
  }

  /** `news`: the share of a volume below which a change of its use is none. */
  async #measure(news: number): Promise<void> {
    if (this.#group === null) return;
    this.#mounts = await this.#options.files.mounts();
    for (const volume of this.#ours()) await this.#measureOne(volume, news);
  }

  async #measureOne(volume: OwnedVolume, news: number): Promise<void> {
    const { files, folder } = this.#options;
    if (!next.isMounted({ folder, mounts: this.#mounts }, volume)) return;
    const usedBytes = await files.usedBytes(next.mountPoint(folder, volume.owner)).catch(() => null);
    const before = this.#usedBytes.get(volume.uuid);
    if (usedBytes === null || (before !== undefined && Math.abs(usedBytes - before) < news * volume.sizeBytes)) return;
    this.#usedBytes.set(volume.uuid, usedBytes);
  }

  /** Looks what there is. */
  async #read(): Promise<next.Sight> {
    const { fleet, host } = this.#options.told();
    const name = this.#groupName();
    const read = ++this.#reads;
    try {
      const group = await this.#readGroup(name, fleet);
      const mounts = await this.#options.files.mounts();
      const thinPool = this.#settings?.thinPool ?? null;
      if (thinPool !== null && !group.volumes.some((volume) => volume.name === thinPool && volume.fill !== null)) {
        throw new StepError("no-capability", `the volume group ${name} of ${host} has no thin pool ${thinPool}`, { outcome: "refused" });
      }
      this.#show(read, group, mounts);
      return { fleet, host, folder: this.#options.folder, thinPool, group, mounts };
    } catch (error) {
      this.#lifetime.signal.throwIfAborted();
      const explained = this.#explain(error, null);
      this.#trouble = explained instanceof Error ? explained.message : String(explained);
      throw explained;
    }
  }

  /** Of two reads the one that began later is believed. */
  #show(read: number, group: Group, mounts: readonly Mount[]): void {
    if (read < this.#shown) return;
    this.#shown = read;
    this.#group = group;
    this.#mounts = mounts;
    this.#trouble = null;
    for (const uuid of this.#usedBytes.keys()) if (!group.volumes.some((it) => it.uuid === uuid)) this.#usedBytes.delete(uuid);
  }

  async #readGroup(name: string, fleet: string): Promise<Group> {
    const { run, told } = this.#options;
    const { signal } = this.#lifetime;
    try {
      const volumes = await run(reportVolumes(name), signal);
      let group: string | null = null;
      if (missingCount({ volumes, group }) === null) group = await run(reportGroup(name), signal);
      const devices = missingCount({ volumes, group }) === 0 ? null : await run(reportDevices(name), signal);
      return parseGroup({ group, volumes, devices }, fleet);
    } catch (error) {
      if (!(error instanceof CommandError) || !/not found/i.test(error.stderr)) throw error;
      this.#group = null;
      throw new StepError("no-capability", `${told().host} has no volume group ${name}`, { outcome: "refused" });
    }
  }

  async #run(command: Command, volume: OwnedVolume | null, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.run(command, signal);
    } catch (error) {
      throw this.#explain(error, volume);
    }
  }

  #explain(error: unknown, volume: OwnedVolume | null): unknown {
    const about = volume === null ? null : { ...volume.owner, path: volume.path };
    return asStepError(error, this.#options.told().host, about);
  }

  #groupName(): string {
    if (this.#settings?.volumeGroup != null) return this.#settings.volumeGroup;
    const text = `${this.#options.told().host} has no volume group for Sets: its HostPool names none (storage.volumeGroup)`;
    throw new StepError("no-capability", text, { outcome: "refused" });
  }

  #ours(): readonly OwnedVolume[] {
    return this.#group?.volumes.filter(next.isOwned) ?? [];
  }
}

function isReady({ owner }: OwnedVolume, ref: VolumeRef): boolean {
  return owner.state === "ready" && isSame(owner, ref);
}

function keyOf({ set, index, name }: VolumeRef): string {
  return `${slotKey(set, index)}/${name}`;
}
