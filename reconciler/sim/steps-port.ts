import { slotKey } from "../core/ids.ts";
import { dropPort, putPort, type SimHost } from "./host-state.ts";
import { DONE, find, refused, refuseIncapable, refuseStale, type Of, type Verdict } from "./step.ts";

export function checkAttach(host: SimHost, action: Of<"attachPort">): Verdict | null {
  const stale = refuseStale(host, action) ?? refuseIncapable(host, "ovs");
  if (stale !== null) return stale;
  if ((action.ingressBps !== null || action.egressBps !== null) && !host.capabilities.has("tc")) return refuseIncapable(host, "tc");
  const ports = host.slots.get(slotKey(action.set, action.index))?.ports;
  const port = ports?.get(action.generation);
  if (port?.ip === action.ip && port.vlan === action.vlan && port.ingressBps === action.ingressBps && port.egressBps === action.egressBps) {
    return DONE;
  }
  return refuseTakenAddress(host, action);
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
  for (const slot of host.slots.values()) {
    for (const port of slot.ports.values()) {
      if (port.ip === ip && !(port.set === set && port.index === index && port.generation === generation)) {
        dropPort(host, port.set, port.index, port.generation);
      }
    }
  }
  putPort(host, { set, index, generation, ip, vlan, ingressBps, egressBps });
  return DONE;
}

export function checkDetach(host: SimHost, action: Of<"detachPort">): Verdict | null {
  if (find(host, action) !== null) {
    return refused("in-use", `the port of ${slotKey(action.set, action.index)} serves a container of generation ${action.generation}`);
  }
  const present = host.slots.get(slotKey(action.set, action.index))?.ports.has(action.generation) === true;
  return present ? refuseIncapable(host, "ovs") : DONE;
}

export function finishDetach(host: SimHost, action: Of<"detachPort">): Verdict {
  dropPort(host, action.set, action.index, action.generation);
  return DONE;
}
