import { setTimeout as sleep } from "node:timers/promises";
import type { TestFleet } from "../../hosts/fleet.ts";
import { IMAGES } from "../../hosts/rig/images.ts";
import type { RigHost } from "../../hosts/rig/host.ts";
import { waitUntil } from "../../hosts/rig/wait.ts";
import type { Contender } from "./contender.ts";

const DEADLINE_MS = 300_000;

/** The pool of one host that Setpoint is measured on. `network`: lines of its network beside range and gateway. */
export function benchPool(host: RigHost, network: string): string {
  return `apiVersion: setpoint/v1
kind: HostPool
metadata: { name: bench }
spec:
  network: { cidr: 10.71.0.0/22, gateway: 10.71.0.1, ${network} }
  memory: { reserve: 256Mi }
  budget: { percent: 100, count: 1000 }
  hosts:
    - { name: ${host.name}, agent: "unix://${host.agentSocket}", zone: a, capacity: { cpu: 2, memory: 8Gi, disk: 10Gi, bandwidth: 10gbit } }
`;
}

/**
 * Setpoint itself: a commit that changes the count, followed by a reconciler that runs already, and one host with a started agent.
 * Done when the reconciler has seen that all Instances are ready. An Instance is an infra container and one that joins its network.
 */
export function setpoint(fleet: TestFleet, network: string): Contender {
  return {
    name: `setpoint, ${network}`,
    containersEach: 2,
    async scaleTo(count) {
      fleet.commit({ "set.yaml": setOf(count) });
      await waitUntil(`${count} Instances`, async () => (await readyOf(fleet)) === count, {
        deadlineMs: DEADLINE_MS,
        everyMs: 20,
        evidence: () => fleet.evidence(),
      });
    },
    async clear() {
      fleet.commit({ "set.yaml": setOf(0) });
      await waitUntil("all containers to go", async () => (await fleet.world()).length === 0, {
        deadlineMs: DEADLINE_MS,
        everyMs: 100,
        evidence: () => fleet.evidence(),
      });
      await sleep(1_000);
    },
  };
}

async function readyOf(fleet: TestFleet): Promise<number> {
  const { instances } = await fleet.status();
  return instances.wanted === instances.ready ? instances.ready : -1;
}

function setOf(replicas: number): string {
  return `apiVersion: setpoint/v1
kind: Set
metadata: { name: speed }
spec:
  pool: bench
  replicas: ${replicas}
  template:
    containers:
      - name: app
        image: ${IMAGES.sleeper}
        resources: { cpu: { request: 1m }, memory: { request: 8Mi } }
`;
}
