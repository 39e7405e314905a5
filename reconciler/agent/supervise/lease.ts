import type { LeaseEcho } from "../../core/agent-wire.ts";
import type { Machine } from "../ports.ts";
import type { LeaseFile } from "../state/lease-file.ts";

/** Heartbeats whose time is remembered: an echo later than these is too late to count. */
const REMEMBERED_BEATS = 300;

/**
 * Whether what must not run twice may run here. The lease runs from when the echoed heartbeat was sent, never from when the echo came: the
 * reconciler counts from when it heard that heartbeat, which is later. It is counted in the kernel's uptime, so a restarted agent goes on
 * with the lease it had, and a rebooted host has none.
 */
export class Lease {
  readonly #boot: string;
  readonly #machine: Machine;
  readonly #file: LeaseFile;
  readonly #sentAtMs = new Map<number, number>();
  #beat = 0;
  #renewedAtMs: number | null;

  constructor(boot: string, machine: Machine, file: LeaseFile) {
    this.#boot = boot;
    this.#machine = machine;
    this.#file = file;
    const note = file.read();
    this.#renewedAtMs = note?.bootId === machine.bootId ? note.renewedAtMs : null;
  }

  /** The heartbeat that is sent now. */
  nextBeat(): LeaseEcho {
    this.#beat++;
    this.#sentAtMs.set(this.#beat, this.#machine.uptimeMs());
    this.#sentAtMs.delete(this.#beat - REMEMBERED_BEATS);
    return { boot: this.#boot, beat: this.#beat };
  }

  /** False for a heartbeat this run did not send, or too long ago. */
  renew({ boot, beat }: LeaseEcho): boolean {
    const sentAtMs = this.#sentAtMs.get(beat);
    if (boot !== this.#boot || sentAtMs === undefined) return false;
    if (this.#renewedAtMs === null || sentAtMs > this.#renewedAtMs) {
      this.#renewedAtMs = sentAtMs;
      this.#file.write({ bootId: this.#machine.bootId, renewedAtMs: sentAtMs });
    }
    return true;
  }

  /** False while there was none since the machine booted, so that nothing ran under it. */
  get ranOut(): boolean {
    return this.#renewedAtMs !== null;
  }

  /** True while it lasts for more than `withinMs` from now. A lease of null never ends. */
  holds(leaseForMs: number | null, withinMs = 0): boolean {
    if (leaseForMs === null) return true;
    return this.#renewedAtMs !== null && this.#renewedAtMs + leaseForMs > this.#machine.uptimeMs() + withinMs;
  }
}
