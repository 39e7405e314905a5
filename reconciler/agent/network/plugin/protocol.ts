/*
 * Docker's network plugin protocol (libnetwork remote driver): POST with a JSON body, `{Err}` for a refusal. Docker never names the container:
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

type Call = (body: Body, handler: EndpointHandler, signal: AbortSignal) => Promise<object> | object;
type Body = Readonly<Record<string, unknown>>;

/** Every call of the protocol, by path. */
export const CALLS: Readonly<Record<string, Call>> = {
  "/Plugin.Activate": () => ({ Implements: ["NetworkDriver"] }),
  "/NetworkDriver.GetCapabilities": () => ({ Scope: "local", ConnectivityScope: "local" }),
  "/NetworkDriver.CreateNetwork": () => ({}),
  "/NetworkDriver.DeleteNetwork": () => ({}),
  "/NetworkDriver.CreateEndpoint": createEndpoint,
  "/NetworkDriver.EndpointOperInfo": () => ({ Value: {} }),
  "/NetworkDriver.Join": join,
  "/NetworkDriver.ProgramExternalConnectivity": () => ({}),
  "/NetworkDriver.RevokeExternalConnectivity": () => ({}),
  "/NetworkDriver.Leave": async (body, handler, signal) => {
    await handler.leave(textOf(body, "EndpointID"), signal);
    return {};
  },
  "/NetworkDriver.DeleteEndpoint": async (body, handler, signal) => {
    await handler.remove(textOf(body, "EndpointID"), signal);
    return {};
  },
  "/NetworkDriver.DiscoverNew": () => ({}),
  "/NetworkDriver.DiscoverDelete": () => ({}),
};

/** The path after whose reply the handler hears `joined`. */
export const JOIN_PATH = "/NetworkDriver.Join";

async function createEndpoint(body: Body, handler: EndpointHandler, signal: AbortSignal): Promise<object> {
  const request = readEndpoint(body);
  const { address, mac } = await handler.create(request, signal);
  // Docker refuses an answer for what it gave itself.
  return {
    Interface: { ...(request.wantedAddress === "" && { Address: address }), ...(request.wantedMac === "" && { MacAddress: mac }) },
  };
}

async function join(body: Body, handler: EndpointHandler, signal: AbortSignal): Promise<object> {
  const { link, gateway } = await handler.join(textOf(body, "EndpointID"), textOf(body, "SandboxKey"), signal);
  return { InterfaceName: { SrcName: link, DstPrefix: "eth" }, Gateway: gateway, DisableGatewayService: true };
}

function readEndpoint(body: Body): EndpointRequest {
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

/** Empty when it is not there. */
export function textOf(record: Body, name: string): string {
  const value = record[name];
  return typeof value === "string" ? value : "";
}

function recordOf(record: Body, name: string): Body {
  const value = record[name];
  return typeof value === "object" && value !== null ? (value as Body) : {};
}
