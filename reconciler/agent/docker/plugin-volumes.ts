import { sortedUnique } from "../../core/order.ts";
import { StepError } from "../ports.ts";
import type { Api } from "./api.ts";
import { ApiError, hasStatus } from "./api-error.ts";
import { type InstanceParts, pluginVolume, type VolumeBody } from "./bodies.ts";
import { isOurs, type Labels, type Owner } from "./labels.ts";

/*
 * Volumes of Docker's volume plugins (`local` is one): one per slot, under a name that stays. They outlive Instance, slot and Set. Nothing here ever
 * removes one, for the storage behind it may be somewhere else, and whether it is still wanted only its owner knows.
 */

/** What of Docker's answer is read; names are Docker's. */
interface Found {
  readonly Driver: string;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly Labels: Labels | null;
  /** `global`: the plugin has one list of volumes for many hosts. */
  readonly Scope: string;
}

/** How long a plugin may take to make a volume; Docker itself would wait for two minutes. */
const CREATE_WITHIN_MS = 45_000;

/** All that the Instance needs are there. */
export async function ensurePluginVolumes(api: Api, parts: InstanceParts, signal: AbortSignal): Promise<void> {
  const declared = parts.request.spec.template.volumes.filter((volume) => volume.kind === "docker");
  for (const volume of declared) await ensurePluginVolume(api, parts.owner, pluginVolume(parts, volume), signal);
}

/** Makes the volume, or takes the one of that name if it is what is asked for. */
async function ensurePluginVolume(api: Api, owner: Owner, wanted: VolumeBody, signal: AbortSignal): Promise<void> {
  const found = await inspectVolume(api, wanted, signal);
  if (found !== null) return refuseOther(found, wanted, owner);
  try {
    await api.call({ method: "POST", path: "/volumes/create", body: wanted, deadlineMs: CREATE_WITHIN_MS, signal });
  } catch (error) {
    throw pluginTrouble(error, wanted);
  }
}

/** Null for one that is not there. */
async function inspectVolume(api: Api, wanted: VolumeBody, signal: AbortSignal): Promise<Found | null> {
  try {
    return await api.call<Found>({ method: "GET", path: `/volumes/${wanted.Name}`, signal });
  } catch (error) {
    if (hasStatus(error, 404)) return null;
    throw pluginTrouble(error, wanted);
  }
}

function refuseOther({ Driver, Labels, Options, Scope }: Found, { Name, ...wanted }: VolumeBody, owner: Owner): void {
  // Made through another host of the same plugin: this host's Docker knows neither labels nor options, only the name, which is ours.
  const isBare = [Labels, Options].every((record) => Object.keys(record ?? {}).length === 0);
  if (Scope === "global" && Driver === wanted.Driver && isBare) return;
  const permanent = { retry: "permanent", outcome: "refused" } as const;
  if (!isOurs(Labels, owner)) throw new StepError("not-ours", `the volume ${Name} on ${owner.host} belongs to someone else`, permanent);
  const others = otherKeys(Options ?? {}, wanted.DriverOpts);
  if (Driver === wanted.Driver && others.length === 0) return;
  // Names only: a value may be a password.
  const how = Driver === wanted.Driver ? `has other options (${others.join(", ")})` : `is of the driver ${Driver}, not ${wanted.Driver}`;
  throw new StepError("volume-differs", `the volume ${Name} on ${owner.host} ${how}; Setpoint never removes it to make another`, permanent);
}

/** Keys whose values are not the same, or that only one has; sorted. */
function otherKeys(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): string[] {
  const keys = sortedUnique([...Object.keys(a), ...Object.keys(b)]);
  return keys.filter((key) => a[key] !== b[key]);
}

/** Docker only passes the plugin's own words on, and where the plugin is silent it is not Docker that hangs. */
function pluginTrouble(error: unknown, { Driver, Name }: VolumeBody): unknown {
  if (error instanceof ApiError && !/volume plugin/i.test(error.message)) {
    return new ApiError(error.status, `volume plugin ${Driver} refused ${Name}: ${error.message}`);
  }
  if (!(error instanceof StepError) || error.code !== "engine-timeout") return error;
  return new StepError("volume-driver-failed", `Docker's volume plugin ${Driver} did not answer for the volume ${Name}: ${error.message}`);
}
