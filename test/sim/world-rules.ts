import { slotKey } from "../../reconciler/core/ids.ts";
import type { TrashedVolume } from "../../reconciler/core/observation.ts";
import type { Action } from "../../reconciler/core/plan.ts";
import { RESOURCE_NAMES } from "../../reconciler/core/resources.ts";
import { contentKey, isLive, reserved, type SimHost, type SimInstance, type Table } from "../../reconciler/sim/host-state.ts";
import type { Verdict } from "../../reconciler/sim/step.ts";
import type { SimWitness } from "../../reconciler/sim/world.ts";

/** A rule of what may never happen was broken. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(message);
    this.rule = rule;
  }
}

/** Failures of one step within 10 s; deliveries may be doubled, so a few more than backoff alone would make. */
const MOST_TRIES = 12;

/** An entry that was in the trash, and what it held. */
interface Left {
  readonly entry: TrashedVolume;
  readonly content: string | undefined;
  /** Counts up with each entry: the clock may have been set back in between. */
  readonly arrival: number;
}

/** What the rules can't see in the world itself. */
export interface RuleContext {
  nowMs(): number;
  monotonicMs(): number;
  /** How long a host's trash is kept, milliseconds. */
  keepForMs(host: string): number;
  /** The oldest of the host's trash may go before its time where a volume has no room. */
  reclaims(host: string): boolean;
  /** An operator said that the host is off for good; what it does when it comes back is not the reconciler's. */
  confirmedDead(host: string): boolean;
  /** An operator wants the entry back, or destroyed before its time. */
  isWished(host: string, trashId: string): boolean;
  /** It is, or was when some step that is under way was planned. */
  wasWished(host: string, trashId: string): boolean;
  isToPurge(host: string, trashId: string): boolean;
  /** A commit changed the host's capacity, so what was reserved may be over it. */
  capacityChanged(host: string): boolean;
  /** Adds a line to the story. */
  note(line: string): void;
  broken(violation: Violation): void;
}

/**
 * What may never happen, checked on the true state of the world after every change, whatever the reconciler believes.
 * Rules are numbered as in the design: 1 two live Instances, 5 volumes, 8 foreign objects, 9 capacity, 10 order and addresses.
 */
export class WorldRules implements SimWitness {
  readonly #context: RuleContext;
  readonly #hostsOf = new Map<string, Set<SimHost>>();
  readonly #trash = new Map<string, Left>();
  #arrivals = 0;
  /** Entries that left the trash and were not found elsewhere yet. */
  readonly #leaving: Left[] = [];
  /** What slots last ran with: a slot that stays on its host finds its data there. */
  readonly #ran = new Map<string, { readonly host: string; readonly contents: ReadonlyMap<string, string | undefined> }>();
  /** Slots that may begin anew with other data: they left their host, or were given up, since they last ran. */
  readonly #excused = new Set<string>();
  /** Contents that ever came back from the trash. */
  readonly #restored = new Set<string>();
  /** Volumes that left their slot and did not appear in the trash yet. */
  readonly #missing = new Set<string>();
  readonly #holders = new Map<string, Map<string, SimHost>>();
  /** When the same step began to fail in a row, and how often. */
  readonly #failing = new Map<string, { sinceMs: number; count: number }>();

  constructor(context: RuleContext) {
    this.#context = context;
  }

  stepEnded(host: SimHost, action: Action, verdict: Verdict): void {
    const what = `${action.kind} ${slotKey(action.set, action.index)} g${action.generation} on ${host.name}`;
    this.#context.note(`${what}: ${verdict.outcome}${verdict.code === "" ? "" : ` ${verdict.code} (${verdict.message})`}`);
    for (const volume of this.#missing) this.#break("5 volumes", `after ${what} volume ${volume} is neither in its slot nor in the trash`);
    for (const entry of this.#leaving.splice(0)) this.#judgeLeft(host, action, entry);
    if (verdict.outcome === "done") this.#failing.delete(what);
    else this.#countFailure(what, verdict.code);
    if (verdict.code === "no-capacity" && !this.#context.capacityChanged(host.name)) {
      this.#break("9 capacity", `${what} was refused: ${verdict.message}`);
    }
  }

  changed(host: SimHost, table: Table, key: string): void {
    if (table === "instance") this.#instanceChanged(host, key);
    else if (table === "host" && key === "powered") this.#powerChanged(host);
    else if (table === "trash") this.#trashChanged(host, key);
    else if (table === "volume") this.#volumeChanged(host, key);
  }

  /** The slot may begin anew with other data. */
  excuse(slot: string): void {
    this.#excused.add(slot);
  }

  /** Every slot may: nobody knows any more what was to be restored. */
  excuseAll(): void {
    for (const slot of this.#ran.keys()) this.#excused.add(slot);
  }

  /** Live Instances of a slot, wherever they are. */
  liveOf(key: string): { readonly host: SimHost; readonly instance: SimInstance }[] {
    const live: { host: SimHost; instance: SimInstance }[] = [];
    for (const host of this.#hostsOf.get(key) ?? []) {
      for (const instance of host.slots.get(key)?.instances.values() ?? []) {
        if (isLive(host, instance)) live.push({ host, instance });
      }
    }
    return live;
  }

  #break(rule: string, message: string): void {
    this.#context.broken(new Violation(rule, message));
  }

  /** Retries back off: no step fails again and again without a pause. */
  #countFailure(what: string, code: string): void {
    const nowMs = this.#context.monotonicMs();
    const row = this.#failing.get(what);
    if (row === undefined || nowMs - row.sinceMs > 10_000) this.#failing.set(what, { sinceMs: nowMs, count: 1 });
    else if (++row.count > MOST_TRIES)
      this.#break("retries back off", `${what} failed ${row.count} times (${code}) in ${Math.round(nowMs - row.sinceMs)} ms`);
  }

  #instanceChanged(host: SimHost, key: string): void {
    const slot = key.slice(0, key.lastIndexOf("/"));
    const present = host.slots.get(slot)?.instances.size ?? 0;
    const hosts = this.#hostsOf.get(slot) ?? new Set();
    if (present > 0) this.#hostsOf.set(slot, hosts.add(host));
    else hosts.delete(host);
    this.#checkTwins(slot);
    this.#checkAddresses(host, slot);
    this.#checkCapacity(host);
    this.#checkContents(host, slot);
  }

  #powerChanged(host: SimHost): void {
    this.#context.note(`${host.name} is ${host.powered ? "on" : "off"}`);
    if (!host.powered) return;
    for (const slot of host.slots.keys()) {
      this.#checkTwins(slot);
      this.#checkAddresses(host, slot);
    }
  }

  /** 1: at most one live Instance of a slot that owns a volume or its address. */
  #checkTwins(slot: string): void {
    // A host declared dead that comes back starts what may run twice by itself, whatever the slot has become since.
    const live = this.liveOf(slot).filter(({ host, instance }) => instance.observed.exclusive || !this.#context.confirmedDead(host.name));
    if (live.length < 2 || !live.some(({ instance }) => instance.observed.exclusive)) return;
    const where = live.map(({ host, instance }) => `g${instance.observed.generation} on ${host.name}`).join(" and ");
    this.#break("1 two live Instances", `${slot} owns a volume or address and lives twice: ${where}`);
  }

  /** 10: an address belongs to one live Instance. */
  #checkAddresses(host: SimHost, slot: string): void {
    for (const instance of host.slots.get(slot)?.instances.values() ?? []) {
      const { ip, generation } = instance.observed;
      if (ip === null) continue;
      const holders = this.#holders.get(ip) ?? new Map<string, SimHost>();
      this.#holders.set(ip, holders);
      holders.set(`${slot}/${generation}`, host);
      for (const [key, other] of holders) {
        if (!this.#holdsAddress(other, key, ip)) holders.delete(key);
      }
      const names = [...holders]
        .filter(([, other]) => !this.#context.confirmedDead(other.name))
        .map(([key, other]) => `${key} on ${other.name}`);
      if (names.length > 1) this.#break("10 addresses", `${ip} is used by ${names.join(" and ")}`);
    }
  }

  #holdsAddress(host: SimHost, key: string, ip: string): boolean {
    const at = key.lastIndexOf("/");
    const instance = host.slots.get(key.slice(0, at))?.instances.get(Number(key.slice(at + 1)));
    return instance !== undefined && instance.observed.ip === ip && isLive(host, instance);
  }

  /** 9: what is reserved fits, after every step. */
  #checkCapacity(host: SimHost): void {
    if (this.#context.capacityChanged(host.name)) return;
    const sum = reserved(host, null);
    for (const name of RESOURCE_NAMES) {
      if (sum[name] <= host.capacity[name]) continue;
      this.#break("9 capacity", `${host.name} has ${host.capacity[name]} of ${name}, reserved are ${sum[name]}`);
    }
  }

  /** 5: where an entry of the trash went is judged at the end of the step. */
  #trashChanged(host: SimHost, id: string): void {
    const key = `${host.name} ${id}`;
    const entry = host.trash.get(id);
    if (entry === undefined) {
      this.#leaving.push(this.#trash.get(key)!);
      this.#trash.delete(key);
      return;
    }
    const arrival = this.#trash.get(key)?.arrival ?? this.#arrivals++;
    this.#trash.set(key, { entry, content: host.contents.get(contentKey({ trashId: id })), arrival });
    this.#missing.delete(`${host.name} ${entry.set}/${entry.index}/${entry.name}`);
  }

  /** 5: what left the trash was there long enough, or a person said so; or it is the volume that a person wanted back. */
  #judgeLeft(host: SimHost, action: Action, { entry, content, arrival }: Left): void {
    const { id, trashedAtMs } = entry;
    const wished = this.#context.isWished(host.name, id);
    if (action.kind === "restoreVolume") {
      const { set, index, volume: name } = action;
      const restored = host.contents.get(contentKey({ set, index, name }));
      if (content === undefined || restored !== content)
        this.#break("5 volumes", `${id} on ${host.name} held ${content}, restored is ${restored}`);
      else this.#restored.add(content);
      return;
    }
    const ageMs = this.#context.nowMs() - trashedAtMs;
    if (wished) this.#break("5 volumes", `${id} on ${host.name} was purged though it is to be restored`);
    if (ageMs >= this.#context.keepForMs(host.name) || this.#context.isToPurge(host.name, id)) return;
    const cameBefore = (other: TrashedVolume): boolean => (this.#trash.get(`${host.name} ${other.id}`)?.arrival ?? Infinity) < arrival;
    const older = [...host.trash.values()].find(
      (other) =>
        other.kind === "lvm" && other.trashedAtMs < trashedAtMs && cameBefore(other) && !this.#context.wasWished(host.name, other.id),
    );
    if (!this.#context.reclaims(host.name) || entry.kind !== "lvm")
      this.#break("5 volumes", `${id} on ${host.name} was purged after ${ageMs} ms`);
    else if (older !== undefined) this.#break("5 volumes", `${id} on ${host.name} made room while ${older.id}, which is older, stays`);
  }

  /** 5: a slot that stays on its host has the data there that it had, or what was restored for it. */
  #checkContents(host: SimHost, slot: string): void {
    for (const instance of host.slots.get(slot)?.instances.values() ?? []) {
      if (!isLive(host, instance)) continue;
      const volumes = host.slots.get(slot)!.volumes;
      // A volume of another kind is another volume.
      const contents = new Map([...volumes].map(([name, volume]) => [`${volume.kind} ${name}`, host.contents.get(contentKey(volume))]));
      const before = this.#ran.get(slot);
      this.#ran.set(slot, { host: host.name, contents });
      const other = [...contents].find(([name, content]) => before?.contents.has(name) === true && before.contents.get(name) !== content);
      // An excuse holds until it was needed: the slot may run on for a while before it leaves.
      if (other === undefined || this.#excused.delete(slot) || before!.host !== host.name) continue;
      const [name, content] = other;
      if (this.#restored.has(content!)) continue;
      this.#break("5 volumes", `${slot} had ${before!.contents.get(name)} in volume ${name} on ${host.name} and has ${content} now`);
    }
  }

  /** 5: a volume that goes, goes to the trash: judged at the end of the step. */
  #volumeChanged(host: SimHost, key: string): void {
    const [set, index, name] = key.split("/");
    if (host.slots.get(`${set}/${index}`)?.volumes.has(name!) !== true) this.#missing.add(`${host.name} ${key}`);
  }
}
