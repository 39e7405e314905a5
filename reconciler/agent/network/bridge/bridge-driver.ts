import type { Capability } from "../../../core/desired.ts";
import type { NetworkSettings } from "../../../core/host-settings.ts";
import { type Clock, type Endpoint, type Log, type PortRequest, StepError } from "../../ports.ts";
import { type DockerNetworks, EngineUnreachable } from "../docker-networks.ts";
import { dockerNetworkName, type NetworkDriver } from "../driver.ts";
import type { HostFiles } from "../host-files.ts";
import { parseLinkCounters } from "../links.ts";
import type { NetworkState } from "../state.ts";

export interface BridgeDriverParts {
  readonly state: NetworkState;
  readonly networks: DockerNetworks;
  readonly files: HostFiles;
  readonly clock: Clock;
  readonly log: Log;
}

/** Someone may remove the network by hand. */
const LOOK_EVERY_MS = 60_000;

/**
 * A network of Docker's own bridge driver: addresses are given to Docker one by one, and it publishes host ports. VLANs are refused; rates
 * are taken and not enforced, as a host without `tc` gets them only where the reconciler says so.
 */
export function createBridgeDriver({ state, networks, files, clock, log }: BridgeDriverParts): NetworkDriver {
  let lastLook: { readonly atMs: number; readonly engineRun: string } | null = null;
  let isWaiting = false;

  /** While the engine is down there is nothing to be made: it is done when it answers. */
  async function makeNetwork(settings: NetworkSettings, signal: AbortSignal): Promise<void> {
    const engineRun = files.engineRun();
    try {
      await networks.ensure(wantedNetwork(state.fleet, settings), () => refuseTakenLink(settings, files), signal);
      lastLook = { atMs: clock.monotonic(), engineRun };
      isWaiting = false;
    } catch (error) {
      lastLook = null;
      if (!(error instanceof EngineUnreachable)) throw error;
      if (!isWaiting) log.info({ error: error.message }, "Docker's network is made when Docker answers");
      isWaiting = true;
    }
  }

  return {
    capabilities: (): readonly Capability[] => [],
    apply: makeNetwork,
    check: ({ vlan, set, index }: PortRequest) => {
      if (vlan === null) return;
      const text = `${set}/${index} wants VLAN ${vlan}, which Docker's bridge does not have; set \`driver: ovs\` in the HostPool's network`;
      throw new StepError("no-capability", text, { retry: "permanent", outcome: "refused" });
    },
    isWired: () => false,
    endpoint: ({ ip }: PortRequest): Endpoint => ({
      networkMode: dockerNetworkName(state.fleet),
      settings: { IPAMConfig: { IPv4Address: ip } },
      publish: true,
      nameservers: [],
    }),
    shape: () => Promise.resolve(),
    unwire: () => Promise.resolve(),
    repair: async (signal) => {
      const isFresh = lastLook !== null && clock.monotonic() - lastLook.atMs < LOOK_EVERY_MS && lastLook.engineRun === files.engineRun();
      if (!isFresh) await makeNetwork(state.settings!, signal);
    },
    counters: () => new Map(),
    close: () => Promise.resolve(),
  };
}

function wantedNetwork(fleet: string, { cidr, gateway, bridge, mtu }: NetworkSettings): Parameters<DockerNetworks["ensure"]>[0] {
  const options = { "com.docker.network.bridge.name": bridge, "com.docker.network.driver.mtu": String(mtu) };
  return { name: dockerNetworkName(fleet), driver: "bridge", subnet: { cidr, gateway }, options };
}

/** Docker would take over a bridge that is there already, addresses and all. */
function refuseTakenLink({ bridge }: NetworkSettings, files: HostFiles): void {
  if (!parseLinkCounters(files.links()).has(bridge)) return;
  const text = `the host has a link ${bridge} already that is not Setpoint's; name another bridge in the HostPool's network, or remove the link`;
  throw new StepError("not-ours", text, { outcome: "refused" });
}
