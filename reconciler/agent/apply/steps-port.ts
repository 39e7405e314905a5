import { slotKey } from "../../core/ids.ts";
import { instanceName } from "../instance-key.ts";
import type { HostCore } from "../host-core.ts";
import { DONE, refused, refuseIncapable, refuseStale, refuseUnenforced, type Of, type Verdict } from "./verdict.ts";

/** The slot's port passes to this generation; the network's driver makes it so. */
export async function attachPort(core: HostCore, action: Of<"attachPort">, signal: AbortSignal): Promise<Verdict> {
  const ovs = core.settings!.network.driver === "ovs";
  const { set, index, generation, ip, vlan, ingressBps, egressBps } = action;
  const no =
    refuseStale(core, action) ??
    (ovs ? refuseIncapable(core, "ovs") : null) ??
    refuseUnenforced(core, "ovs", vlan !== null) ??
    refuseUnenforced(core, "tc", ingressBps !== null || egressBps !== null) ??
    refuseTakeover(core, action) ??
    refuseTakenAddress(core, action) ??
    refuseNoNetwork(core);
  if (no !== null) return no;
  await releaseAbandoned(core, action, signal);
  const can = (driver: "ovs" | "tc"): boolean => core.capabilities.includes(driver);
  const rates = can("tc") ? { ingressBps, egressBps } : { ingressBps: null, egressBps: null };
  await core.parts.network.attach({ set, index, generation, ip, vlan: can("ovs") ? vlan : null, ...rates }, signal);
  return DONE;
}

export function refuseNoNetwork(core: HostCore): Verdict | null {
  if (core.networkProblem === null) return null;
  return refused("not-ready", `the network of ${core.host} is not set up: ${core.networkProblem}`);
}

/** The port stays with a generation while that has containers. */
function refuseTakeover(core: HostCore, action: Of<"attachPort">): Verdict | null {
  const port = core.parts.network.ports().find((it) => it.set === action.set && it.index === action.index);
  if (port === undefined || port.generation === action.generation) return null;
  return refuseServing(core, action, port.generation);
}

function refuseServing(core: HostCore, slot: { readonly set: string; readonly index: number }, generation: number): Verdict | null {
  if (core.picture.containersOf({ set: slot.set, index: slot.index, generation }).length === 0) return null;
  return refused("in-use", `the port of ${slotKey(slot.set, slot.index)} serves a container of generation ${generation}`);
}

/** An address is taken while a container that uses it exists; a port left behind without one gives way. */
function refuseTakenAddress(core: HostCore, action: Of<"attachPort">): Verdict | null {
  for (const container of core.picture.inventory.containers) {
    const own = container.set === action.set && container.index === action.index && container.generation === action.generation;
    if (own || container.labels.ip !== action.ip) continue;
    return refused("ip-in-use", `${action.ip} is used by ${instanceName(container)}`);
  }
  return null;
}

/** A port that another slot left behind with this address gives way, unless that slot is about to use it. */
async function releaseAbandoned(core: HostCore, action: Of<"attachPort">, signal: AbortSignal): Promise<void> {
  for (const port of core.parts.network.ports()) {
    const own = port.set === action.set && port.index === action.index;
    if (own || port.ip !== action.ip || core.isBusy(port) || core.state.recordOf(port) !== undefined) continue;
    if (core.picture.containersOf(port).length === 0) await core.parts.network.detach(port, signal);
  }
}

/** A newer generation's port is not this one's to take away. */
export async function detachPort(core: HostCore, action: Of<"detachPort">, signal: AbortSignal): Promise<Verdict> {
  const port = core.parts.network.ports().find((it) => it.set === action.set && it.index === action.index);
  if (port === undefined || port.generation > action.generation) return DONE;
  const blind = refuseIncapable(core, "docker");
  if (blind !== null) return blind;
  const { set, index } = action;
  await Promise.all([core.lookAt(action), core.lookAt({ set, index, generation: port.generation })]);
  const no = refuseServing(core, action, action.generation) ?? refuseServing(core, action, port.generation);
  if (no !== null) return no;
  await core.parts.network.detach({ set, index }, signal);
  return DONE;
}
