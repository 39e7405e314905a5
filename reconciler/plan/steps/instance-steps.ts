import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import type { HostObservation } from "../../core/observation.ts";
import type { InstanceSpec } from "../../core/plan.ts";
import type { StepList, StepOwner } from "./step-list.ts";
import { volumeSteps, type VolumeWork } from "./volume-steps.ts";

const specs = new WeakMap<DesiredSet, InstanceSpec>();

/** The part of a Set that travels to a host; one object per Set, so that 10,000 starts share it. */
function specOf(set: DesiredSet): InstanceSpec {
  const known = specs.get(set);
  if (known !== undefined) return known;
  const { template, infraHash, containerHashes, specHash, live, liveHash, resources, hostPorts, exclusive, priority } = set;
  const spec: InstanceSpec = { template, infraHash, containerHashes, specHash, live, liveHash, resources, hostPorts, exclusive, priority };
  specs.set(set, spec);
  return spec;
}

/** Longest a healthy start may take: start period, then as many failing probes as are forgiven. */
function healthMs(set: DesiredSet): number {
  const waits = set.template.containers.map(({ health }) =>
    health === null ? 0 : health.startPeriodMs + (health.intervalMs + health.timeoutMs) * (health.failures + 1),
  );
  return Math.max(0, ...waits);
}

/** Longest a stop may take: the containers' own grace, all in parallel. */
export function stopMs(set: DesiredSet | null): number {
  // A Set that left the manifests left its stop timeouts with it; Docker's default of 10 s is in the step's deadline.
  return set === null ? 30_000 : Math.max(0, ...set.template.containers.map((container) => container.stopTimeoutMs));
}

/** The pulls of those images the host lacks. */
export function pullSteps(steps: StepList, owner: StepOwner, claim: Claim, set: DesiredSet, observation: HostObservation | null): number[] {
  const present = observation?.images ?? [];
  return set.images.filter((image) => !present.includes(image)).map((image) => steps.pull(owner, claim, image));
}

/** Image → volume → network → infra and containers → healthy. Returns the last step. */
export function bringUp(
  steps: StepList,
  owner: StepOwner,
  claim: Claim,
  set: DesiredSet,
  observation: HostObservation | null,
  volumes: VolumeWork,
  needs: readonly number[],
): number {
  const ready = [...pullSteps(steps, owner, claim, set, observation), ...volumeSteps(steps, owner, claim, set, volumes, needs)];
  const { ingressBps, egressBps } = set.live;
  const ip = claim.ip ?? "";
  ready.push(steps.add("attachPort", owner, claim, needs, { ip, vlan: set.template.network.vlan, ingressBps, egressBps }));
  const start = steps.add("startInstance", owner, claim, [...ready, ...needs], { spec: specOf(set), ip });
  return awaitHealthy(steps, owner, claim, set, [start]);
}

/** Waits until every health check passes; fails when the containers die or their patience is over. */
export function awaitHealthy(steps: StepList, owner: StepOwner, claim: Claim, set: DesiredSet, needs: readonly number[]): number {
  return steps.add("awaitHealthy", owner, claim, needs, {}, healthMs(set));
}

/** Recreates the named app containers in place; images first. Returns the last step. */
export function recreate(
  steps: StepList,
  owner: StepOwner,
  claim: Claim,
  set: DesiredSet,
  containers: readonly string[],
  observation: HostObservation | null,
  needs: readonly number[],
): number {
  const pulled = pullSteps(steps, owner, claim, set, observation);
  const replaced = steps.add("replaceContainers", owner, claim, [...pulled, ...needs], { containers, spec: specOf(set) }, stopMs(set));
  return awaitHealthy(steps, owner, claim, set, [replaced]);
}

/** Changes limits, rates and volume sizes in place. Returns the last step. */
export function updateInPlace(steps: StepList, owner: StepOwner, claim: Claim, set: DesiredSet, volumes: VolumeWork): number {
  const grown = volumeSteps(steps, owner, claim, set, volumes, []);
  return steps.add("updateLive", owner, claim, grown, { live: set.live, liveHash: set.liveHash, spec: specOf(set) });
}

/**
 * Stop → remove → observe gone. Returns the step after which the generation is gone. `running: false`: nothing of it is
 * seen, but its host would still accept a late start of it; removing it ends that.
 */
export function takeDown(
  steps: StepList,
  owner: StepOwner,
  claim: Claim,
  set: DesiredSet | null,
  running: boolean,
  needs: readonly number[],
): number {
  const graceMs = stopMs(set);
  const stopped = running ? [steps.add("stopInstance", owner, claim, needs, { graceMs }, graceMs)] : needs;
  const removed = steps.add("removeInstance", owner, claim, stopped, {});
  return steps.add("confirmGone", owner, claim, [removed], {});
}

/** Release port → volumes to the trash, once every generation on the host is gone (`needs`). */
export function releaseHost(
  steps: StepList,
  owner: StepOwner,
  claim: Claim,
  leftover: { readonly port: boolean; readonly volumes: readonly string[] },
  context: { readonly commit: string; readonly nowMs: number },
  needs: readonly number[],
): void {
  let after = needs;
  if (leftover.port) after = [steps.add("detachPort", owner, claim, after, {})];
  for (const volume of leftover.volumes) after = [toTrash(steps, owner, claim, volume, context, after)];
}

/** A volume to the trash, once nothing uses it (`needs`). Returns the step. */
export function toTrash(
  steps: StepList,
  owner: StepOwner,
  claim: Claim,
  volume: string,
  context: { readonly commit: string; readonly nowMs: number },
  needs: readonly number[],
): number {
  return steps.add("trashVolume", owner, claim, needs, { volume, commit: context.commit, trashedAtMs: context.nowMs });
}
