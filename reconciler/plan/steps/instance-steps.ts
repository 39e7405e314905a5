import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import type { HostObservation } from "../../core/observation.ts";
import type { InstanceSpec } from "../../core/plan.ts";
import type { SlotOnHost } from "../diff/slot-facts.ts";
import type { StepList, StepOwner } from "./step-list.ts";

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

/** An entry of the trash that becomes a slot's volume. */
export interface Restored {
  readonly trashId: string;
  readonly trashedAtMs: number;
  readonly sizeBytes: number;
}

/** What is on the host already, and what of its trash comes back, by the name in the slot. */
export interface OnHost {
  readonly observation: HostObservation | null;
  readonly seen: SlotOnHost | null;
  readonly back: ReadonlyMap<string, Restored>;
}

/** Image → volume → network → infra and containers → healthy. Returns the last step. */
export function bringUp(steps: StepList, owner: StepOwner, claim: Claim, set: DesiredSet, here: OnHost, needs: readonly number[]): number {
  const ready = [...pullSteps(steps, owner, claim, set, here.observation), ...volumeSteps(steps, owner, claim, set, here, needs)];
  const { ingressBps, egressBps } = set.live;
  const ip = claim.ip ?? "";
  ready.push(steps.add("attachPort", owner, claim, needs, { ip, vlan: set.template.network.vlan, ingressBps, egressBps }));
  const start = steps.add("startInstance", owner, claim, [...ready, ...needs], { spec: specOf(set), ip });
  return awaitHealthy(steps, owner, claim, set, [start]);
}

/** Creates the volumes that are missing, or brings them back from the trash, and grows those that are too small. */
function volumeSteps(
  steps: StepList,
  owner: StepOwner,
  claim: Claim,
  set: DesiredSet,
  { seen, back }: Pick<OnHost, "seen" | "back">,
  needs: readonly number[],
): number[] {
  const numbers: number[] = [];
  for (const volume of set.template.volumes) {
    if (volume.kind !== "lvm") continue;
    const sizeBytes = set.live.volumes[volume.name] ?? 0;
    const known = seen?.volumes.find((candidate) => candidate.name === volume.name);
    const entry = back.get(volume.name);
    if (known === undefined && entry !== undefined)
      numbers.push(restoreVolume(steps, owner, claim, { ...entry, volume: volume.name }, sizeBytes, needs));
    else if (known === undefined)
      numbers.push(steps.add("createVolume", owner, claim, needs, { volume: volume.name, filesystem: volume.filesystem, sizeBytes }));
    else if (known.sizeBytes < sizeBytes) numbers.push(steps.add("growVolume", owner, claim, needs, { volume: volume.name, sizeBytes }));
  }
  return numbers;
}

/** The volume out of the trash, grown when the Set asks for more than it has. Returns the last step. */
function restoreVolume(
  steps: StepList,
  owner: StepOwner,
  claim: Claim,
  entry: Restored & { readonly volume: string },
  sizeBytes: number,
  needs: readonly number[],
): number {
  const { volume, trashId, trashedAtMs } = entry;
  const restored = steps.add("restoreVolume", owner, claim, needs, { volume, trashId, trashedAtMs });
  return entry.sizeBytes < sizeBytes ? steps.add("growVolume", owner, claim, [restored], { volume, sizeBytes }) : restored;
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
export function updateInPlace(steps: StepList, owner: StepOwner, claim: Claim, set: DesiredSet, seen: SlotOnHost | null): number {
  const grown = volumeSteps(steps, owner, claim, set, { seen, back: new Map() }, []);
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
