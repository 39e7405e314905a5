import { type PluginBody, type PluginCalls, recordOf, textOf } from "../../docker-plugin/plugin-calls.ts";

/*
 * Docker's network plugin protocol (libnetwork remote driver). Docker never names the container:
 * what tells which Instance it is comes in the options of its endpoint, which Docker keeps with the container and sends at every start.
 */

/** Options of an endpoint that say whose it is. Also what `docker inspect` shows. */
export const OPTION = {
  fleet: "setpoint.fleet",
  set: "setpoint.set",
  index: "setpoint.index",
  generation: "setpoint.generation",
  ip: "setpoint.ip",
} as const;

/** What CreateEndpoint says, as far as we use it. Empty texts: Docker left it to us. */
export interface EndpointRequest {
  readonly endpointId: string;
  readonly fleet: string;
  readonly set: string;
  readonly index: number;
  readonly generation: number;
  readonly ip: string;
  /** With prefix. */
  readonly wantedAddress: string;
  readonly wantedMac: string;
}

export interface JoinAnswer {
  /** Name of the link that Docker moves into the namespace. */
  readonly link: string;
  readonly gateway: string;
}

/** What the plugin does for Docker. Every call ends at its signal, may come twice, and rejects with a sentence for people. */
export interface EndpointHandler {
  create(request: EndpointRequest, signal: AbortSignal): Promise<{ readonly address: string; readonly mac: string }>;
  join(endpointId: string, sandbox: string, signal: AbortSignal): Promise<JoinAnswer>;
  /** The reply was sent: Docker moves the link now. */
  joined(endpointId: string): void;
  leave(endpointId: string, signal: AbortSignal): Promise<void>;
  remove(endpointId: string, signal: AbortSignal): Promise<void>;
}

/** Docker waits for ever for an answer, and holds the container's lock meanwhile. */
const DEADLINE_MS = 5_000;
/** The path after whose reply the handler hears `joined`. */
const JOIN_PATH = "/NetworkDriver.Join";

/** Every call of the protocol, for this handler. */
export function networkCalls(handler: EndpointHandler, deadlineMs = DEADLINE_MS): PluginCalls {
  return {
    kind: "network",
    deadlineMs,
    calls: {
      "/Plugin.Activate": () => ({ Implements: ["NetworkDriver"] }),
      "/NetworkDriver.GetCapabilities": () => ({ Scope: "local", ConnectivityScope: "local" }),
      "/NetworkDriver.CreateNetwork": () => ({}),
      "/NetworkDriver.DeleteNetwork": () => ({}),
      "/NetworkDriver.CreateEndpoint": (body, signal) => createEndpoint(body, handler, signal),
      "/NetworkDriver.EndpointOperInfo": () => ({ Value: {} }),
      [JOIN_PATH]: (body, signal) => join(body, handler, signal),
      "/NetworkDriver.ProgramExternalConnectivity": () => ({}),
      "/NetworkDriver.RevokeExternalConnectivity": () => ({}),
      "/NetworkDriver.Leave": async (body, signal) => {
        await handler.leave(textOf(body, "EndpointID"), signal);
        return {};
      },
      "/NetworkDriver.DeleteEndpoint": async (body, signal) => {
        await handler.remove(textOf(body, "EndpointID"), signal);
        return {};
      },
      "/NetworkDriver.DiscoverNew": () => ({}),
      "/NetworkDriver.DiscoverDelete": () => ({}),
    },
    answered(path, body) {
      if (path === JOIN_PATH) handler.joined(textOf(body, "EndpointID"));
    },
  };
}

async function createEndpoint(body: PluginBody, handler: EndpointHandler, signal: AbortSignal): Promise<object> {
  const request = readEndpoint(body);
  const { address, mac } = await handler.create(request, signal);
  // Docker refuses an answer for what it gave itself.
  return {
    Interface: { ...(request.wantedAddress === "" && { Address: address }), ...(request.wantedMac === "" && { MacAddress: mac }) },
  };
}

async function join(body: PluginBody, handler: EndpointHandler, signal: AbortSignal): Promise<object> {
  const { link, gateway } = await handler.join(textOf(body, "EndpointID"), textOf(body, "SandboxKey"), signal);
  return { InterfaceName: { SrcName: link, DstPrefix: "eth" }, Gateway: gateway, DisableGatewayService: true };
}

function readEndpoint(body: PluginBody): EndpointRequest {
  const options = recordOf(body, "Options");
  const wanted = recordOf(body, "Interface");
  if (textOf(options, OPTION.set) === "") {
    throw new Error("this network is for Instances that Setpoint starts; use another network for containers of your own");
  }
  return {
    endpointId: textOf(body, "EndpointID"),
    fleet: textOf(options, OPTION.fleet),
    set: textOf(options, OPTION.set),
    index: Number(textOf(options, OPTION.index)),
    generation: Number(textOf(options, OPTION.generation)),
    ip: textOf(options, OPTION.ip),
    wantedAddress: textOf(wanted, "Address"),
    wantedMac: textOf(wanted, "MacAddress"),
  };
}
