import type { DesiredSet } from "../../core/desired.ts";
import { slotKey } from "../../core/ids.ts";
import type { Claim, Failure } from "../../core/memory.ts";
import type { InstancePhase, ObservedInstance } from "../../core/observation.ts";
import type { Decision } from "../../core/plan.ts";
import { engineText, fencedInMs, lacksEngine, nextReachInMs, type HostStatus } from "../fleet/host-status.ts";
import { backoffInMs, isStalled, STABLE_AFTER_MS } from "./backoff.ts";
import { describeDifference, differenceOf } from "./differences.ts";
import { resizesOn, type VolumeHere } from "../volumes/on-host.ts";
import { withRestores } from "./restore.ts";
import { unfitReason } from "./unfit.ts";
import type { AssessContext, Assessment } from "./assessment.ts";
import { hasData, volumesOn, type SlotFacts } from "./slot-facts.ts";

/** What the slot wants: `wanted` when the Set's count includes it. */
export function assess(context: AssessContext, slot: SlotFacts, wanted: boolean): Assessment {
  if (context.busy.has(slotKey(context.name, slot.index))) return { kind: "busy", decision: { code: "busy", text: "a step is under way" } };
  if (!wanted || context.set === null) return gated(context, slot, assessUnwanted(context, slot));
  return gated(context, slot, withRestores(context, context.set, slot, assessWanted(context, context.set, slot)));
}

/** Applies what stops any step: holds, a frozen pass, backoff and Stalled. */
function gated(context: AssessContext, slot: SlotFacts, raw: Assessment): Assessment {
  if (raw.kind === "keep" || raw.kind === "wait" || raw.kind === "busy") return raw;
  if (context.held !== null) return wait("hold", `${context.held}; would ${describe(raw)}`);
  const host = slot.current === null ? null : context.hostOf(slot.current.host);
  if (host?.held != null) return wait("hold", `${host.held}; would ${describe(raw)}`);
  if (context.frozen !== null && destroys(slot, raw)) return wait("frozen", `${context.frozen}; would ${describe(raw)}`);
  // A step would only fail, and count against the slot.
  if (host !== null && raw.kind !== "place" && lacksEngine(host)) return wait("engine", `${engineText(host)}; would ${describe(raw)}`);
  const failure = failureOf(context, slot);
  if (failure === null || (raw.kind === "place" && raw.cause === "move")) return raw;
  if (isStalled(failure)) {
    return wait(
      "stalled",
      `Stalled after ${failure.count} failures (${failure.code}: ${failure.message}); change the manifest to try again`,
    );
  }
  const delayMs = backoffInMs(slotKey(context.name, slot.index), failure, context.nowMs);
  if (delayMs <= 0) return raw;
  return {
    kind: "wait",
    wakeInMs: delayMs,
    decision: { code: "wait.backoff", text: `try ${failure.tries} failed (${failure.code}: ${failure.message}), waiting before the next` },
  };
}

function destroys(slot: SlotFacts, raw: Assessment): boolean {
  return (
    raw.kind === "retire" ||
    (raw.kind === "place" && (raw.cause === "move" || (raw.restores.length > 0 && slot.current !== null))) ||
    (raw.kind === "replace" && raw.difference.reach === "infra")
  );
}

function describe(raw: Assessment): string {
  if (raw.kind === "replace" || raw.kind === "update") return `${raw.kind}: ${raw.what}`;
  if (raw.kind === "place") return raw.restores.length > 0 ? "restore its volume" : raw.cause;
  return raw.kind === "retire" ? "remove" : raw.kind;
}

/** The slot's failures, if they belong to what is wanted now. */
export function failureOf(context: AssessContext, slot: SlotFacts): Failure | null {
  const failure = context.memory?.failures.get(slot.index);
  return failure !== undefined && failure.input === inputOf(context.set) ? failure : null;
}

/** What failures are counted against: another spec starts the count anew. */
export function inputOf(set: DesiredSet | null): string {
  return set === null ? "remove" : set.specHash;
}

function wait(code: string, text: string, wakeInMs: number | null = null): Assessment {
  return { kind: "wait", wakeInMs, decision: { code: `wait.${code}`, text } };
}

function assessUnwanted(context: AssessContext, slot: SlotFacts): Assessment {
  if (slot.current === null)
    return { kind: "keep", settles: false, wakeInMs: null, decision: { code: "removing", text: "no longer wanted" } };
  const host = context.hostOf(slot.current.host);
  const why = context.set === null ? "the Set is not in the manifests" : `the Set wants fewer`;
  if (host.reach === "dead") return { kind: "retire", decision: { code: "remove", text: `${why}; host ${host.name} was confirmed dead` } };
  if (host.reach !== "ok") return waitForHost(host, "remove");
  if (host.braked) return waitForBrake(host, "remove");
  return { kind: "retire", decision: { code: "remove", text: why } };
}

function waitForHost(host: HostStatus, would: string): Assessment {
  const silent = host.observation === null ? "was not heard yet" : `is silent`;
  return wait("host-unknown", `host ${host.name} ${silent}; would ${would} once it is heard`, nextReachInMs(host));
}

function waitForBrake(host: HostStatus, would: string): Assessment {
  return wait(
    "brake",
    `too many hosts of pool ${host.pool?.name ?? "?"} are silent at once: this looks like our own network; would ${would}`,
  );
}

function assessWanted(context: AssessContext, set: DesiredSet, slot: SlotFacts): Assessment {
  if (slot.current === null) return assessUnplaced(context, set, slot);
  const host = context.hostOf(slot.current.host);
  if (host.reach !== "ok") return assessSilent(set, slot, slot.current, host);
  const unfit = unfitReason(set, host);
  if (unfit !== null) {
    if (host.braked) return waitForBrake(host, "move");
    return place("move", { code: "move", text: `${unfit}${leftBehind(volumesOn(slot, host.name))}` }, { disruptive: true });
  }
  const instance = instanceOf(slot, slot.current);
  const raw = instance === null ? assessMissing(context, slot, slot.current) : assessInstance(context, set, slot, instance);
  const idle = instance?.phase !== "running";
  // A later generation may run on a host that nobody has seen since the journal was lost.
  if (set.exclusive && idle && raw.kind !== "keep" && context.uninventoried !== null) return wait("inventory", context.uninventoried);
  return raw;
}

function leftBehind(volumes: readonly VolumeHere[]): string {
  if (volumes.length === 0) return "";
  return hasData(volumes) ? "; its volume's data goes to the trash of the old host" : "; its folder goes to the trash of the old host";
}

function place(
  cause: "create" | "move",
  decision: Decision,
  options: { readonly pinned?: string | null; readonly avoid?: readonly string[]; readonly disruptive?: boolean } = {},
): Assessment {
  return {
    kind: "place",
    cause,
    pinned: options.pinned ?? null,
    avoid: options.avoid ?? [],
    disruptive: options.disruptive ?? false,
    restores: [],
    decision,
  };
}

function assessUnplaced(context: AssessContext, set: DesiredSet, slot: SlotFacts): Assessment {
  const blocking = slot.former.find((claim) => set.exclusive || claim.exclusive);
  if (blocking !== undefined) return wait("former", `generation ${blocking.generation} on ${blocking.host} must be gone first`);
  if (context.uninventoried !== null) return wait("inventory", context.uninventoried);
  const data = slot.seen.find((on) => set.needs.includes("lvm") && hasData(on.volumes));
  if (data !== undefined) return place("create", { code: "create", text: `its volume is on ${data.host}` }, { pinned: data.host });
  return place("create", { code: "create", text: "" }, { avoid: failureOf(context, slot)?.hosts ?? [] });
}

/** The slot's host does not answer: by the Set's failover and the host's fence, wait or place it anew. */
function assessSilent(set: DesiredSet, slot: SlotFacts, claim: Claim, host: HostStatus): Assessment {
  if (host.reach === "unknown" || host.reach === "suspect") return waitForHost(host, "check it");
  if (set.failover === "never") return wait("failover", `host ${host.name} is ${host.reach} and failover is never`);
  if (host.braked) return waitForBrake(host, "move");
  const gone = describeGone(host);
  const empty = hasData(volumesOn(slot, host.name)) ? `; its data is on ${host.name}, it starts with an empty volume` : "";
  if (!set.exclusive && !claim.exclusive) return place("move", { code: "heal", text: gone });
  const stopTimeoutMs = Math.max(0, ...set.template.containers.map((container) => container.stopTimeoutMs));
  // Its host stops it when the lease ends only if it was started as exclusive.
  const fencedMs = claim.exclusive || host.reach === "dead" ? fencedInMs(host, stopTimeoutMs) : null;
  if (fencedMs === 0)
    return place("move", { code: "heal", text: `${gone}${host.reach === "dead" ? "" : " and its lease is over"}${empty}` });
  if (fencedMs === null) {
    return wait(
      "fence",
      `${gone}; its Instance may still run and must not run twice: switch the machine off, then 'setpoint host confirm-dead ${host.name}'`,
    );
  }
  return wait("fence", `${gone}; its lease has to run out first, or 'setpoint host confirm-dead ${host.name}'`, fencedMs);
}

function describeGone(host: HostStatus): string {
  if (host.reach === "dead") return `host ${host.name} was confirmed dead`;
  return host.desired === null ? `host ${host.name} is in no pool and silent` : `host ${host.name} is lost`;
}

/** The Instance a claim stands for, as seen on its host. */
export function instanceOf(slot: SlotFacts, claim: Claim): ObservedInstance | null {
  const here = slot.seen.find((on) => on.host === claim.host);
  return here?.instances.find((instance) => instance.generation === claim.generation) ?? null;
}

function assessMissing(context: AssessContext, slot: SlotFacts, claim: Claim): Assessment {
  if (context.floorOf(claim.host, slot.index) > claim.generation) {
    return place("create", { code: "create", text: `its host refuses generation ${claim.generation}` }, { pinned: claim.host });
  }
  if (claim.exclusive !== context.set!.exclusive)
    return place("create", { code: "create", text: "what may run twice has changed" }, { pinned: claim.host });
  const isBound = hasData(volumesOn(slot, claim.host));
  if (claim.ip === null && !isBound) return place("create", { code: "create", text: "a folder of it is left" });
  if (claim.ip === null) return place("create", { code: "create", text: "its volume is here" }, { pinned: claim.host });
  const failure = failureOf(context, slot);
  // A claim that was made because of the failure has yet to be tried, and may have to wait for that.
  const hasFailed = failure !== null && failure.generation >= claim.generation && failure.hosts.includes(claim.host);
  if (hasFailed && failure.tries >= 2 && !isStalled(failure) && !isBound) {
    return place("create", { code: "create", text: `failed on ${failure.hosts.join(", ")}` }, { avoid: failure.hosts });
  }
  return { kind: "restart", how: "start", crash: null, decision: { code: "create", text: claim.why } };
}

function assessInstance(context: AssessContext, set: DesiredSet, slot: SlotFacts, instance: ObservedInstance): Assessment {
  const difference = differenceOf(set, instance);
  const what = describeDifference(set, instance, difference);
  const serving = instance.phase === "running" && instance.healthy;
  if (difference.reach === "infra" || difference.reach === "containers") {
    return { kind: "replace", difference, disruptive: serving, what, decision: { code: "rollout", text: "" } };
  }
  const other = instance.phase === "running" || instance.ip === null ? null : context.otherHolder(instance.ip, slot.index);
  if (other !== null) {
    return place("create", { code: "create", text: `${other} has its address ${instance.ip} by now` }, { pinned: slot.current!.host });
  }
  if (instance.phase !== "running") return restartDead(instance);
  if (!instance.healthy) return restartSick(failureOf(context, slot), instance);
  if (difference.reach === "live") return { kind: "update", what, decision: { code: "update", text: "in place" } };
  const resizes = resizesOn(set, volumesOn(slot, slot.current!.host));
  if (resizes.length > 0) return { kind: "update", what: resizes.join(", "), decision: { code: "update", text: "in place" } };
  return assessHealthy(context, slot);
}

const PHASES: Readonly<Record<InstancePhase, string>> = {
  created: "it was never started",
  running: "it runs",
  failed: "it crashed",
  stopped: "it is stopped",
  fenced: "its host stopped it when the lease ran out",
};

/** A container that died by itself counts as a crash; one that its host stopped (reboot, lost lease) does not. */
function restartDead(instance: ObservedInstance): Assessment {
  const crashed = instance.phase === "failed";
  const text = instance.message === "" ? PHASES[instance.phase] : `${PHASES[instance.phase]}: ${instance.message}`;
  return {
    kind: "restart",
    how: "start",
    crash: crashed ? instance.message || "it stopped by itself" : null,
    decision: { code: "heal", text },
  };
}

/** First wait for health (it may just be starting); after a failed wait recreate the app containers. */
function restartSick(failure: Failure | null, instance: ObservedInstance): Assessment {
  const text = instance.message === "" ? "not healthy" : `not healthy: ${instance.message}`;
  return { kind: "restart", how: failure === null ? "await" : "recreate", crash: null, decision: { code: "heal", text } };
}

function assessHealthy(context: AssessContext, slot: SlotFacts): Assessment {
  const decision = { code: "keep", text: "" };
  const failure = context.memory?.failures.get(slot.index);
  if (failure === undefined) return { kind: "keep", settles: false, wakeInMs: null, decision };
  const sinceMs = context.nowMs - failure.lastAtMs;
  const settles = sinceMs >= STABLE_AFTER_MS || sinceMs < 0 || failure.input !== inputOf(context.set);
  return { kind: "keep", settles, wakeInMs: settles ? null : STABLE_AFTER_MS - sinceMs, decision };
}
