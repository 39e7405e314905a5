import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunCommand } from "../../../reconciler/agent/commands.ts";
import { createNetworkRunner } from "../../../reconciler/agent/network/commands.ts";
import { createHostFiles } from "../../../reconciler/agent/network/host-files.ts";
import { createNetwork } from "../../../reconciler/agent/network/network.ts";
import type { InstanceRef, Network, PortRequest } from "../../../reconciler/agent/ports.ts";
import { createSystemClock } from "../../../reconciler/sys/clock.ts";
import { DOCKER_SOCKET, type RigHost } from "../rig/host.ts";
import { IMAGES } from "../rig/images.ts";
import { inNamespaces } from "../rig/process.ts";

export const FLEET = "lab";

/** What an agent would log, oldest first. */
export type Lines = string[];

/** The network of a host of the rig: its code runs in this process, its commands and sockets are the host's. */
export function networkOf(host: RigHost, lines: Lines = []): Network {
  const inner = createNetworkRunner("/run/openvswitch");
  const run: RunCommand = ({ program, args, ...rest }, signal) => {
    const [nsenter, ...entered] = inNamespaces(host.initPid, [program, ...args]) as [string, ...string[]];
    return inner({ program: nsenter, args: entered, ...rest }, signal);
  };
  const note = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  return createNetwork({
    stateFolder: join(host.folder, "network"),
    pluginSocket: host.path("/run/docker/plugins/setpoint.sock"),
    dockerSocket: host.path(DOCKER_SOCKET),
    stays: true,
    fleet: () => FLEET,
    clock: createSystemClock(),
    log: { info: note, warn: note, error: note },
    run,
    files: {
      ...createHostFiles(host.path("/run/openvswitch"), host.path(DOCKER_SOCKET), host.path("/")),
      links: () => readFileSync(`/proc/${host.initPid}/net/dev`, "utf8"),
      // As the host numbers it.
      ownPid: () => 1,
    },
    resolver: () => ({ nameservers: [], search: [], options: [] }),
  });
}

export function portRequest(ref: Partial<PortRequest> & { readonly set: string; readonly ip: string }): PortRequest {
  return { index: 0, generation: 1, vlan: null, ingressBps: null, egressBps: null, ...ref };
}

export interface ContainerOptions {
  readonly command?: readonly string[];
  /** As one that has ports of the host. */
  readonly publishes?: boolean;
}

/** Attaches the port and starts a container on it, as the agent does for infra. Resolves to the container's name. */
export async function startOn(host: RigHost, network: Network, port: PortRequest, options: ContainerOptions = {}): Promise<string> {
  await network.attach(port, AbortSignal.timeout(60_000));
  const name = await createOn(host, network, port, options);
  await host.engine.call("POST", `/containers/${name}/start`);
  if (options.publishes !== true) await wireOn(host, network, port, name);
  return name;
}

/** What the agent does once infra runs, where Docker leaves it without network. */
export async function wireOn(host: RigHost, network: Network, ref: InstanceRef, name: string): Promise<void> {
  if (network.endpoint(ref, false).networkMode === "none") await network.wire(ref, await pidOf(host, name), AbortSignal.timeout(10_000));
}

/** First process of a container, as the host numbers it. */
export async function pidOf(host: RigHost, container: string): Promise<number> {
  return Number(await host.docker("inspect", "--format", "{{.State.Pid}}", container));
}

export async function createOn(
  host: RigHost,
  network: Network,
  ref: InstanceRef,
  { command, publishes = false }: ContainerOptions = {},
): Promise<string> {
  const { networkMode, settings } = network.endpoint(ref, publishes);
  const name = `${ref.set}-${ref.index}-${ref.generation}`;
  await host.engine.call("POST", `/containers/create?name=${name}`, {
    Image: IMAGES.sleeper,
    Cmd: command,
    HostConfig: { NetworkMode: networkMode },
    ...(networkMode === "none" ? { NetworkDisabled: true } : { NetworkingConfig: { EndpointsConfig: { [networkMode]: settings } } }),
  });
  return name;
}

/** Runs a program of the machine in a container's network. */
export async function inside(host: RigHost, container: string, argv: readonly string[]): Promise<string> {
  const pid = await pidOf(host, container);
  return (await host.exec(["nsenter", `--net=/proc/${pid}/ns/net`, "--", ...argv])).stdout;
}

export async function canPing(host: RigHost, container: string, ip: string, ...more: readonly string[]): Promise<boolean> {
  return inside(host, container, ["ping", "-c", "2", "-i", "0.2", "-W", "1", ...more, ip]).then(
    () => true,
    () => false,
  );
}
