import { join } from "node:path";
import { createAgent, type Agent } from "../agent/agent.ts";
import { createCgroups } from "../agent/cgroup/cgroups.ts";
import { createDockerEngine } from "../agent/docker/engine.ts";
import { createMachine } from "../agent/machine.ts";
import { createNetwork } from "../agent/network/network.ts";
import type { Clock, Log } from "../agent/ports.ts";
import { createProber } from "../agent/probe/probe.ts";
import { createSampler } from "../agent/sampler/sampler.ts";
import { createSecrets } from "../agent/secrets/secrets.ts";
import { createHostVolumes } from "../agent/volumes/host-volumes.ts";

export interface AgentOptions {
  /** The agent's own folder. */
  readonly state: string;
  /** The agent's socket. */
  readonly socket: string;
  /** Docker's socket. */
  readonly docker: string;
  /** Docker's data folder. */
  readonly dockerRoot: string;
  /** The socket on which Docker finds the network plugin. */
  readonly plugin: string;
  /** bit/s; absent: what the network card does. */
  readonly bandwidth?: number;
  /** The host's secrets, as files `NAME/KEY`. */
  readonly secrets: string;
  /** Where files of secrets lie for containers, in memory; absent: below /run. */
  readonly secretsMemory?: string;
  /** Image of infra containers; absent: one made from the host's busybox. */
  readonly infraImage?: string;
}

/**
 * The agent of this machine with its real drivers; nothing is started yet. `stays`: to look after what it started; else it ends, and containers
 * must do without it. Throws a UserError when the state folder can't be used.
 */
export function composeAgent(
  options: AgentOptions,
  stays: boolean,
  clock: Clock,
  log: Log,
): { readonly agent: Agent; close(): Promise<void> } {
  const { state, docker, dockerRoot, plugin, bandwidth, infraImage } = options;
  // The drivers ask for the fleet when a reconciler has told it; until then nothing on the host is ours.
  const told = (): { readonly fleet: string; readonly host: string } => agent.settings ?? { fleet: "", host: "this host" };
  const secrets = createSecrets({
    folder: options.secrets,
    memory: options.secretsMemory ?? defaultMemory(),
    owner: state,
    host: () => told().host,
    log,
  });
  const engine = createDockerEngine({
    socketPath: docker,
    get fleet() {
      return told().fleet;
    },
    get host() {
      return told().host;
    },
    clock,
    folder: join(state, "engine"),
    infraImage: infraImage ?? null,
    dataRoot: dockerRoot,
    hide: (text) => secrets.hide(text),
  });
  const prober = createProber({
    exec: (container, command, signal) => engine.exec(container, command, signal),
    monotonic: () => clock.monotonic(),
  });
  const machine = createMachine({ bandwidthBps: bandwidth ?? null });
  const network = createNetwork({
    stateFolder: join(state, "network"),
    pluginSocket: plugin,
    dockerSocket: docker,
    stays,
    fleet: () => told().fleet,
    clock,
    log,
  });
  const agent = createAgent({
    engine,
    network,
    cgroups: createCgroups({ dataRoot: dockerRoot }),
    sampler: createSampler(),
    probe: prober.probe,
    secrets,
    volumes: createHostVolumes({ folder: join(state, "volumes"), told, log }),
    machine,
    clock,
    log,
    stateFolder: join(state, "core"),
  });
  return {
    agent,
    async close() {
      await agent.close();
      prober.close();
      engine.close();
      machine.close();
    },
  };
}

/** Not in the socket's folder, which the service's manager takes away when the agent stops; containers run on with their files. */
function defaultMemory(): string {
  const user = process.getuid?.() ?? 0;
  return user === 0 ? "/run/setpoint-secrets" : `/run/user/${user}/setpoint-secrets`;
}
