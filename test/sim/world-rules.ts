import { slotKey } from "../../reconciler/core/ids.ts";
import type { TrashedVolume } from "../../reconciler/core/observation.ts";
import type { Action } from "../../reconciler/core/plan.ts";
import { RESOURCE_NAMES } from "../../reconciler/core/resources.ts";
import { isLive, reserved, type SimHost, type SimInstance, type Table } from "../../reconciler/sim/host-state.ts";
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
  readonly #trash = new Map<string, TrashedVolume>();
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

  /** 5: what leaves the trash was there long enough. */
  #trashChanged(host: SimHost, id: string): void {
    const key = `${host.name} ${id}`;
    const entry = host.trash.get(id);
    if (entry !== undefined) {
      this.#trash.set(key, entry);
      this.#missing.delete(`${host.name} ${entry.set}/${entry.index}/${entry.name}`);
      return;
    }
    const gone = this.#trash.get(key)!;
    this.#trash.delete(key);
    const ageMs = this.#context.nowMs() - gone.trashedAtMs;
    if (ageMs >= this.#context.keepForMs(host.name)) return;
    const older = [...host.trash.values()].find(({ kind, trashedAtMs }) => kind === "lvm" && trashedAtMs < gone.trashedAtMs);
    if (!this.#context.reclaims(host.name) || gone.kind !== "lvm")
      this.#break("5 volumes", `${id} on ${host.name} was purged after ${ageMs} ms`);
    else if (older !== undefined) this.#break("5 volumes", `${id} on ${host.name} made room while ${older.id}, which is older, stays`);
  }

  /** 5: a volume that goes, goes to the trash: judged at the end of the step. */
  #volumeChanged(host: SimHost, key: string): void {
    const [set, index, name] = key.split("/");
    if (host.slots.get(`${set}/${index}`)?.volumes.has(name!) !== true) this.#missing.add(`${host.name} ${key}`);
  }
}
