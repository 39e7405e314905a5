import { slotKey } from "../core/ids.ts";
import { dropPort, putPort, type SimHost, type SimPort } from "./host-state.ts";
import { DONE, refused, refuseIncapable, refuseStale, type Of, type Verdict } from "./step.ts";

export function checkAttach(host: SimHost, action: Of<"attachPort">): Verdict | null {
  const stale = refuseStale(host, action) ?? refuseUnswitched(host);
  if (stale !== null) return stale;
  if (host.limits === "required" && (action.ingressBps !== null || action.egressBps !== null) && !host.capabilities.has("tc"))
    return refuseIncapable(host, "tc");
  const port = host.slots.get(slotKey(action.set, action.index))?.port ?? null;
  return (port !== null && isAsAsked(port, action) ? DONE : null) ?? refuseTakeover(host, action, port) ?? refuseTakenAddress(host, action);
}

/** Hosts that need not keep limits get along with Docker's own bridge. */
function refuseUnswitched(host: SimHost): Verdict | null {
  return host.limits === "required" ? refuseIncapable(host, "ovs") : null;
}

function isAsAsked(port: SimPort, action: Of<"attachPort">): boolean {
  const { generation, ip, vlan, ingressBps, egressBps } = action;
  return (
    port.generation === generation && port.ip === ip && port.vlan === vlan && port.ingressBps === ingressBps && port.egressBps === egressBps
  );
}

/** The slot's one port passes to another generation once no container uses it. */
function refuseTakeover(host: SimHost, action: Of<"attachPort">, port: SimPort | null): Verdict | null {
  if (port === null || port.generation === action.generation) return null;
  return refuseServing(host, slotKey(action.set, action.index), port.generation);
}

function refuseServing(host: SimHost, key: string, generation: number): Verdict | null {
  if (host.slots.get(key)?.instances.has(generation) !== true) return null;
  return refused("in-use", `the port of ${key} serves a container of generation ${generation}`);
}

/** An address is taken while a container that uses it exists; a port left behind without one gives way. */
function refuseTakenAddress(host: SimHost, action: Of<"attachPort">): Verdict | null {
  for (const slot of host.slots.values()) {
    for (const { observed } of slot.instances.values()) {
      const own = observed.set === action.set && observed.index === action.index && observed.generation === action.generation;
      if (own || observed.ip !== action.ip) continue;
      return refused("ip-in-use", `${action.ip} is used by generation ${observed.generation} of ${observed.set}/${observed.index}`);
    }
  }
  return null;
}

export function finishAttach(host: SimHost, action: Of<"attachPort">): Verdict {
  const { set, index, generation, ip, vlan, ingressBps, egressBps } = action;
  for (const [key, { port }] of host.slots) {
    if (port?.ip === ip && key !== slotKey(set, index)) dropPort(host, key);
  }
  putPort(host, { set, index, generation, ip, vlan, ingressBps, egressBps });
  return DONE;
}

/** A newer generation's port is not this one's to take away. */
export function checkDetach(host: SimHost, action: Of<"detachPort">): Verdict | null {
  const key = slotKey(action.set, action.index);
  const port = host.slots.get(key)?.port ?? null;
  if (port === null || port.generation > action.generation) return DONE;
  return refuseServing(host, key, action.generation) ?? refuseServing(host, key, port.generation) ?? refuseUnswitched(host);
}

export function finishDetach(host: SimHost, action: Of<"detachPort">): Verdict {
  dropPort(host, slotKey(action.set, action.index));
  return DONE;
}
