import { instanceKey } from "../../../reconciler/agent/instance-key.ts";
import type { InstanceRef, Network, PortRequest } from "../../../reconciler/agent/ports.ts";
import type { Capability } from "../../../reconciler/core/desired.ts";
import type { ObservedPort } from "../../../reconciler/core/observation.ts";

/** A network in memory that does all it is asked. */
export class FakeNetwork implements Network {
  readonly wires = new Map<string, PortRequest>();
  /** Slots with a wire of the agent's own making. */
  readonly wired = new Set<string>();
  readonly calls: string[] = [];
  drivers: Capability[] = ["ovs", "tc"];
  /** Whether the agent wires Instances itself. */
  byAgent = false;
  applyFails: Error | null = null;

  capabilities(): readonly Capability[] {
    return this.drivers;
  }

  apply(): Promise<void> {
    this.calls.push("apply");
    return this.applyFails === null ? Promise.resolve() : Promise.reject(this.applyFails);
  }

  attach(port: PortRequest): Promise<void> {
    this.calls.push(`attach ${instanceKey(port)}`);
    this.wires.set(`${port.set}/${port.index}`, port);
    return Promise.resolve();
  }

  endpoint(): ReturnType<Network["endpoint"]> {
    return { networkMode: this.byAgent ? "none" : "test", settings: {}, publish: false, resolver: null };
  }

  wire(ref: InstanceRef, infraPid: number): Promise<void> {
    this.calls.push(`wire ${instanceKey(ref)} ${infraPid}`);
    this.wired.add(`${ref.set}/${ref.index}`);
    return Promise.resolve();
  }

  isWired({ set, index }: Pick<InstanceRef, "set" | "index">): boolean {
    return this.wired.has(`${set}/${index}`);
  }

  shape(ref: InstanceRef, ingressBps: number | null, egressBps: number | null): Promise<void> {
    this.calls.push(`shape ${instanceKey(ref)} ${ingressBps} ${egressBps}`);
    return Promise.resolve();
  }

  detach({ set, index }: Pick<InstanceRef, "set" | "index">): Promise<void> {
    this.calls.push(`detach ${set}/${index}`);
    this.wires.delete(`${set}/${index}`);
    return Promise.resolve();
  }

  ports(): readonly ObservedPort[] {
    return [...this.wires.values()].map(({ set, index, generation, ip }) => ({ set, index, generation, ip }));
  }

  repair(): Promise<void> {
    return Promise.resolve();
  }

  counters(): ReturnType<Network["counters"]> {
    return new Map([...this.wires.values()].map((port) => [instanceKey(port), { receivedBytes: 1, sentBytes: 2 }]));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
