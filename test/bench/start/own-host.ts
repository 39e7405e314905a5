import { createFleet, type TestFleet } from "../../hosts/fleet.ts";
import { BRIDGE, DOCKER_SOCKET, type RigHost } from "../../hosts/rig/host.ts";
import { createRig } from "../../hosts/rig/rig.ts";
import type { RunBesideDocker } from "./compose.ts";
import { accountEngine, processorTimeOf, type ProcessorTime } from "./processor-time.ts";
import { benchPool, setOf } from "./setpoint.ts";
import { recordEngine, type EngineRecorder } from "./spans.ts";

/** A Docker host in namespaces with an agent, followed by a reconciler of its own. */
export interface OwnHost {
  readonly network: "bridge" | "ovs";
  readonly host: RigHost;
  readonly fleet: TestFleet;
  readonly recorder: EngineRecorder;
  readonly run: RunBesideDocker;
  processor(): ProcessorTime;
  close(): Promise<void>;
}

const NETWORKS = { bridge: "driver: bridge", ovs: `driver: ovs, bridge: ${BRIDGE}, datapath: netdev, mtu: 1450` };

/** Resolves when the reconciler sees the host and has nothing to do. */
export async function ownHost(network: "bridge" | "ovs"): Promise<OwnHost> {
  const ovs = network === "ovs";
  const rig = await createRig({ hosts: ["bench"], docker: ovs ? "bare" : "plain", ovs, agents: true });
  const host = rig.host("bench");
  const fleet = createFleet(rig, { "pool.yaml": benchPool(host, NETWORKS[network]), "set.yaml": setOf(0) });
  const engine = accountEngine(host.dockerPid);
  const recorder = recordEngine(host.path(DOCKER_SOCKET));
  const close = async (): Promise<void> => {
    recorder.close();
    await fleet.close();
    engine?.close();
    await rig.close();
  };
  try {
    await fleet.startReconciler();
    await fleet.settled(60_000);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    network,
    host,
    fleet,
    recorder,
    run: (argv, deadlineMs) => host.exec(argv, { deadlineMs, env: { DOCKER_HOST: `unix://${DOCKER_SOCKET}`, HOME: host.folder } }),
    processor: () => ({
      engineMs: engine?.readMs() ?? 0,
      agentMs: processorTimeOf(host.agentPid),
      reconcilerMs: processorTimeOf(fleet.reconcilerPid),
    }),
    close,
  };
}
