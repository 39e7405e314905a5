import { request } from "node:http";
import { StepError } from "../ports.ts";

/** A Docker network as it is or should be. */
export interface DockerNetwork {
  readonly name: string;
  readonly driver: string;
  /** `null`: addresses are not Docker's to give. */
  readonly subnet: { readonly cidr: string; readonly gateway: string } | null;
  readonly options: Readonly<Record<string, string>>;
}

/** The engine's networks: all that the network part needs of Docker. Rejects with EngineUnreachable when nobody answers. */
export interface DockerNetworks {
  /**
   * Makes the network so. `beforeCreate` may throw where it must not be made. Rejects with `not-ours` where the name is taken, with `in-use`
   * where it differs and has containers.
   */
  ensure(wanted: DockerNetwork, beforeCreate: () => void, signal: AbortSignal): Promise<void>;
}

/** Nobody answers on the engine's socket. */
export class EngineUnreachable extends Error {
  override readonly name = "EngineUnreachable";
}

interface Inspected {
  readonly Id: string;
  readonly Driver: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly IPAM: { readonly Config: readonly { readonly Subnet?: string; readonly Gateway?: string }[] | null };
  readonly Containers: Readonly<Record<string, { readonly Name: string }>> | null;
}

const FLEET_LABEL = "setpoint.fleet";
const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** Speaks to the engine's API on a unix socket. Without a version in the path, as these calls are the same in all of them. */
export function createDockerNetworks(socketPath: string, fleet: () => string): DockerNetworks {
  const call = (method: string, path: string, body: unknown, signal: AbortSignal): Promise<Answer> =>
    callEngine({ socketPath, method, path, body, signal });

  async function ensure(wanted: DockerNetwork, beforeCreate: () => void, signal: AbortSignal): Promise<void> {
    const present = await inspect(wanted.name, signal);
    if (present !== null) {
      if (present.Labels?.[FLEET_LABEL] !== fleet()) throw takenName(wanted.name, fleet());
      if (isAsWanted(present, wanted)) return;
      await remove(present, wanted.name, signal);
    }
    beforeCreate();
    const created = await call("POST", "/networks/create", createBody(wanted, fleet()), signal);
    if (created.status !== 201)
      throw new StepError("network-failed", `Docker did not create the network ${wanted.name}: ${created.message}`);
  }

  async function inspect(name: string, signal: AbortSignal): Promise<Inspected | null> {
    const answer = await call("GET", `/networks/${encodeURIComponent(name)}`, null, signal);
    if (answer.status === 404) return null;
    if (answer.status !== 200) throw new StepError("network-failed", `Docker does not show the network ${name}: ${answer.message}`);
    return answer.body as Inspected;
  }

  async function remove(network: Inspected, name: string, signal: AbortSignal): Promise<void> {
    const users = Object.values(network.Containers ?? {}).map((container) => container.Name);
    if (users.length > 0) throw inUse(name, users);
    const answer = await call("DELETE", `/networks/${network.Id}`, null, signal);
    if (answer.status === 403 || answer.status === 409) throw inUse(name, [answer.message]);
    if (answer.status >= 300 && answer.status !== 404) {
      throw new StepError("network-failed", `Docker did not remove the network ${name}: ${answer.message}`);
    }
  }

  return { ensure };
}

function takenName(name: string, fleet: string): StepError {
  return new StepError("not-ours", `the Docker network ${name} is not of fleet ${fleet}; remove it with \`docker network rm ${name}\``, {
    outcome: "refused",
  });
}

function inUse(name: string, users: readonly string[]): StepError {
  const text = `the Docker network ${name} differs from the pool's settings and is still used by ${users.slice(0, 5).join(", ")}`;
  return new StepError("in-use", `${text}; it is made anew when they are gone`, { outcome: "refused" });
}

function isAsWanted(present: Inspected, wanted: DockerNetwork): boolean {
  const config = present.IPAM.Config?.[0];
  const sameSubnet = wanted.subnet === null || (config?.Subnet === wanted.subnet.cidr && config.Gateway === wanted.subnet.gateway);
  const sameOptions = Object.entries(wanted.options).every(([name, value]) => present.Options?.[name] === value);
  return present.Driver === wanted.driver && sameSubnet && sameOptions;
}

function createBody({ name, driver, subnet, options }: DockerNetwork, fleet: string): unknown {
  const addresses =
    subnet === null ? { Driver: "null" } : { Driver: "default", Config: [{ Subnet: subnet.cidr, Gateway: subnet.gateway }] };
  return { Name: name, Driver: driver, CheckDuplicate: true, IPAM: addresses, Options: options, Labels: { [FLEET_LABEL]: fleet } };
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Docker's word for what went wrong. */
  readonly message: string;
}

interface Call {
  readonly socketPath: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly signal: AbortSignal;
}

function callEngine({ socketPath, method, path, body, signal }: Call): Promise<Answer> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const text = body === null ? "" : JSON.stringify(body);
  const headers = { host: "docker", "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      reject(
        signal.aborted ? (signal.reason as Error) : new EngineUnreachable(`Docker does not answer on ${socketPath}: ${error.message}`),
      );
    };
    const sent = request({ socketPath, method, path, headers, signal: deadline }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) response.destroy(new Error("the answer is too long"));
        else chunks.push(chunk);
      });
      response.on("error", fail);
      response.on("end", () => resolve(readAnswer(response.statusCode ?? 0, Buffer.concat(chunks).toString())));
    });
    sent.on("error", fail);
    sent.end(text);
  });
}

function readAnswer(status: number, text: string): Answer {
  try {
    const body = JSON.parse(text) as { readonly message?: string };
    return { status, body, message: body.message ?? `status ${status}` };
  } catch {
    return { status, body: null, message: text.trim() || `status ${status}` };
  }
}
