import { setTimeout as sleep } from "node:timers/promises";
import type { TestFleet } from "../../hosts/fleet.ts";
import { IMAGES } from "../../hosts/rig/images.ts";
import type { RigHost } from "../../hosts/rig/host.ts";
import { waitUntil } from "../../hosts/rig/wait.ts";
import type { Contender } from "./contender.ts";
import { readFailures, readSpans, type EngineRecorder, type Span } from "./spans.ts";

const DEADLINE_MS = 600_000;

/** What Setpoint's own runs say beside the time they took. */
export interface SetpointRuns {
  readonly contender: Contender;
  /** Of the second half of the last run. */
  spans(): readonly Span[];
  /** Steps that failed in any run, by code and message. */
  failures(): ReadonlyMap<string, number>;
}

/** The pool of one host that Setpoint is measured on. `network`: lines of its network beside range and gateway. */
export function benchPool(host: RigHost, network: string): string {
  return `apiVersion: setpoint/v1
kind: HostPool
metadata: { name: bench }
spec:
  network: { cidr: 10.71.0.0/22, gateway: 10.71.0.1, ${network} }
  memory: { reserve: 256Mi }
  limits: best-effort
  budget: { percent: 100, count: 1000 }
  hosts:
    - { name: ${host.name}, agent: "unix://${host.agentSocket}", zone: a, capacity: { cpu: 2, memory: 8Gi, disk: 10Gi, bandwidth: 10gbit } }
`;
}

/**
 * Setpoint itself: a commit that changes the count, followed by a reconciler that runs already, and one host with a started agent.
 * Done when the reconciler has seen that all Instances are ready. An Instance is an infra container and one that joins its network.
 */
export function setpoint(fleet: TestFleet, recorder: EngineRecorder, network: string): SetpointRuns {
  const beganAtMs = Date.now();
  let spans: readonly Span[] = [];
  const contender: Contender = {
    name: `setpoint, ${network}`,
    containersEach: 2,
    async scaleTo(count) {
      const committedAtMs = Date.now();
      fleet.commit({ "set.yaml": setOf(count) });
      await waitUntil(`${count} Instances`, async () => (await readyOf(fleet)) === count, {
        deadlineMs: DEADLINE_MS,
        everyMs: 150,
        evidence: () => fleet.evidence(),
      });
      spans = readSpans(fleet.journal, recorder.moments, committedAtMs);
    },
    async clear() {
      fleet.commit({ "set.yaml": setOf(0) });
      const settled = async (): Promise<boolean> => (await fleet.world()).length === 0 && (await fleet.status()).state === "converged";
      await waitUntil("all containers to go", settled, { deadlineMs: DEADLINE_MS, everyMs: 200, evidence: () => fleet.evidence() });
      await sleep(1_000);
    },
  };
  return { contender, spans: () => spans, failures: () => readFailures(fleet.journal, beganAtMs) };
}

async function readyOf(fleet: TestFleet): Promise<number> {
  const { instances } = await fleet.status();
  return instances.wanted === instances.ready ? instances.ready : -1;
}

/** The Set that is measured. */
export function setOf(replicas: number): string {
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
