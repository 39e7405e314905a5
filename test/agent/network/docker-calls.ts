import { request } from "node:http";
import type { Endpoint } from "../../../reconciler/agent/ports.ts";

/** What the plugin answered: its status and body. */
export interface PluginAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** One call as dockerd makes it: POST, its media type, an empty Host header, no body where it has none to send. */
export function callPlugin(socketPath: string, path: string, body?: unknown): Promise<PluginAnswer> {
  const text = body === undefined ? "" : JSON.stringify(body);
  const headers = { host: "", accept: "application/vnd.docker.plugins.v1.2+json", "content-length": Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const call = request({ agent: false, socketPath, path, method: "POST", headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        resolve({ status: response.statusCode!, body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown> });
      });
    });
    call.on("error", reject);
    call.end(text);
  });
}

/** Docker's calls for one start of a container. */
export class FakeDocker {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  call(path: string, body?: unknown): Promise<PluginAnswer> {
    return callPlugin(this.#socket, path, body);
  }

  create(endpointId: string, endpoint: Endpoint, given = { Address: "", AddressIPv6: "", MacAddress: "" }): Promise<PluginAnswer> {
    const own = { "com.docker.network.endpoint.exposedports": [], "com.docker.network.portmap": [] };
    const options = { ...(endpoint.settings["DriverOpts"] as object), ...own };
    return this.call("/NetworkDriver.CreateEndpoint", { NetworkID: "net", EndpointID: endpointId, Interface: given, Options: options });
  }

  join(endpointId: string): Promise<PluginAnswer> {
    const body = { NetworkID: "net", EndpointID: endpointId, SandboxKey: `/run/docker/netns/${endpointId.slice(0, 4)}`, Options: null };
    return this.call("/NetworkDriver.Join", body);
  }

  /** In the order that was recorded of dockerd. */
  async stop(endpointId: string): Promise<void> {
    const body = { NetworkID: "net", EndpointID: endpointId };
    for (const name of ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"]) await this.call(`/NetworkDriver.${name}`, body);
  }
}
