import type { Capability } from "../../core/desired.ts";
import type { NetworkSettings } from "../../core/host-settings.ts";
import type { Endpoint, InstanceRef, PortRequest } from "../ports.ts";

/** One way to bring Instances to the network. State (ports) is kept by the network, wires by the driver. */
export interface NetworkDriver {
  capabilities(): readonly Capability[];
  apply(settings: NetworkSettings, signal: AbortSignal): Promise<void>;
  /** Throws a StepError when the driver can't give what the port asks for. */
  check(port: PortRequest): void;
  /** True while a container is on the slot's wire. */
  isWired(slot: Pick<InstanceRef, "set" | "index">): boolean;
  endpoint(port: PortRequest, publishes: boolean): Endpoint;
  /** For an endpoint of network mode `none`; see Wire in ports.ts. */
  wire(port: PortRequest, infraPid: number, signal: AbortSignal): Promise<void>;
  /** Makes the rates of a wire, if there is one, those of the port. */
  shape(port: PortRequest, signal: AbortSignal): Promise<void>;
  /** Takes away what is left of the slot's wires. */
  unwire(slot: Pick<InstanceRef, "set" | "index">, signal: AbortSignal): Promise<void>;
  repair(signal: AbortSignal): Promise<void>;
  counters(): ReadonlyMap<string, { readonly receivedBytes: number; readonly sentBytes: number }>;
  close(): Promise<void>;
}

/** Name of the one Docker network of a fleet on a host. */
export function dockerNetworkName(fleet: string): string {
  return `setpoint-${fleet}`;
}
