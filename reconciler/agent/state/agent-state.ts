import { compareText } from "../../core/order.ts";
import { slotKey } from "../../core/ids.ts";
import type { LiveSettings } from "../../core/desired.ts";
import type { HostSettings } from "../../core/host-settings.ts";
import type { InstanceSpec } from "../../core/plan.ts";
import type { Resources } from "../../core/resources.ts";
import { instanceKey } from "../instance-key.ts";
import type { InstanceRef } from "../ports.ts";
import { openStateFiles, type StateFiles } from "./files.ts";

/** What the agent was last told of one Instance; everything else is read back from the engine. */
export interface InstanceRecord extends InstanceRef {
  readonly taskId: string;
  readonly ip: string;
  /** As started or as its containers were last replaced; `live` and `resources` below are newer. */
  readonly spec: InstanceSpec;
  readonly live: LiveSettings;
  readonly liveHash: string;
  readonly resources: Resources;
  /** `stopped` and `fenced` on purpose: nothing but a step starts it again. */
  readonly want: "run" | "stopped" | "fenced";
  /** Why it is stopped or fenced; empty for `run`. */
  readonly why: string;
  /** False until all its containers ran: supervision does not finish what a step could not. */
  readonly started: boolean;
}

/** Most removed generations remembered per slot, so that one an abandoned engine call brings back late is known. */
const MOST_REMOVED = 8;

/**
 * What outlives the agent's process. Changes are seen at once; the promise each returns resolves when they are on the disk,
 * and no step is answered before that.
 */
export class AgentState {
  readonly #files: StateFiles;
  #settings: HostSettings | null;
  readonly #floors: Map<string, number>;
  /** Generations whose removal was asked, per slot. */
  readonly #removed: Map<string, readonly number[]>;
  readonly #records: Map<string, InstanceRecord>;
  #floorRecord: Readonly<Record<string, number>> | null = null;

  /** Throws a UserError when the folder can't be used or a file in it is damaged. */
  constructor(folder: string) {
    this.#files = openStateFiles(folder);
    this.#settings = this.#files.read("settings") as HostSettings | null;
    const floors = this.#files.read("floors") as SavedFloors | null;
    this.#floors = new Map(Object.entries(floors?.floors ?? {}));
    this.#removed = new Map(Object.entries(floors?.removed ?? {}));
    this.#records = expand(this.#files.read("instances") as SavedInstances | null);
  }

  get settings(): HostSettings | null {
    return this.#settings;
  }

  get records(): ReadonlyMap<string, InstanceRecord> {
    return this.#records;
  }

  /** Lowest generation accepted per slot, where above 1; keys sorted, the same object until one is raised. */
  get floors(): Readonly<Record<string, number>> {
    if (this.#floorRecord === null) {
      const above = [...this.#floors].filter(([, floor]) => floor > 1);
      this.#floorRecord = Object.fromEntries(above.sort(([a], [b]) => compareText(a, b)));
    }
    return this.#floorRecord;
  }

  floorOf(set: string, index: number): number {
    return this.#floors.get(slotKey(set, index)) ?? 1;
  }

  wasRemoved({ set, index, generation }: InstanceRef): boolean {
    return this.#removed.get(slotKey(set, index))?.includes(generation) === true;
  }

  recordOf(ref: InstanceRef): InstanceRecord | undefined {
    return this.#records.get(instanceKey(ref));
  }

  configure(settings: HostSettings): Promise<void> {
    this.#settings = settings;
    return this.#files.save("settings", () => this.#settings);
  }

  /** From now on generations below `floor` are refused for the slot. */
  async raiseFloor(set: string, index: number, floor: number): Promise<void> {
    if (floor <= this.floorOf(set, index)) return await this.settled();
    this.#floors.set(slotKey(set, index), floor);
    this.#floorRecord = null;
    await this.#saveFloors();
  }

  async put(record: InstanceRecord): Promise<void> {
    this.#records.set(instanceKey(record), record);
    await this.#saveRecords();
  }

  /** The generation will be removed: it and older ones are refused from now on, and it is not to run any more. */
  async remove(ref: InstanceRef): Promise<void> {
    const key = slotKey(ref.set, ref.index);
    const removed = this.#removed.get(key) ?? [];
    const known = removed.includes(ref.generation);
    if (!known) this.#removed.set(key, [...removed, ref.generation].slice(-MOST_REMOVED));
    const dropped = this.#records.delete(instanceKey(ref));
    const raised = this.floorOf(ref.set, ref.index) < ref.generation + 1;
    if (raised) {
      this.#floors.set(key, ref.generation + 1);
      this.#floorRecord = null;
    }
    // What an earlier try could not save is saved along.
    await Promise.all([raised || !known ? this.#saveFloors() : this.settled(), dropped ? this.#saveRecords() : null]);
  }

  /** Forgets records of Instances that left nothing behind. */
  async forget(keys: readonly string[]): Promise<void> {
    const dropped = keys.filter((key) => this.#records.delete(key));
    if (dropped.length > 0) await this.#saveRecords();
  }

  /** Resolves when everything is on the disk. */
  settled(): Promise<void> {
    return this.#files.settled();
  }

  #saveFloors(): Promise<void> {
    const content = (): SavedFloors => ({ floors: Object.fromEntries(this.#floors), removed: Object.fromEntries(this.#removed) });
    return this.#files.save("floors", content);
  }

  #saveRecords(): Promise<void> {
    return this.#files.save("instances", () => fold(this.#records));
  }
}

interface SavedFloors {
  readonly floors: Readonly<Record<string, number>>;
  readonly removed: Readonly<Record<string, readonly number[]>>;
}

/** Instances of one Set share their spec and live settings, here as in memory. */
interface SavedInstances {
  readonly specs: readonly InstanceSpec[];
  readonly lives: readonly LiveSettings[];
  readonly instances: readonly (Omit<InstanceRecord, "spec" | "live"> & { readonly spec: number; readonly live: number })[];
}

function fold(records: ReadonlyMap<string, InstanceRecord>): SavedInstances {
  const specs = new Numbered<InstanceSpec>();
  const lives = new Numbered<LiveSettings>();
  const instances = [...records.values()].map((record) => ({
    ...record,
    spec: specs.numberOf(record.spec),
    live: lives.numberOf(record.live),
  }));
  return { specs: specs.items, lives: lives.items, instances };
}

function expand(saved: SavedInstances | null): Map<string, InstanceRecord> {
  const records = (saved?.instances ?? []).map((it) => ({ ...it, spec: saved!.specs[it.spec]!, live: saved!.lives[it.live]! }));
  return new Map(records.map((record) => [instanceKey(record), record]));
}

/** Of objects that never change, so that each is written out once and not at every save. */
const texts = new WeakMap<object, string>();

/** Equal items once each, by their place in a list. */
class Numbered<Item extends object> {
  readonly items: Item[] = [];
  readonly #places = new Map<string, number>();

  numberOf(item: Item): number {
    const text = texts.get(item) ?? JSON.stringify(item);
    texts.set(item, text);
    const place = this.#places.get(text) ?? this.items.push(item) - 1;
    this.#places.set(text, place);
    return place;
  }
}
