import type { Desired, DesiredPool, DesiredSet } from "../core/desired.ts";
import { UserError } from "../core/errors/user-error.ts";
import { parseMemory, serializeMemory, type SerializedMemory } from "../core/memory-json.ts";
import type { HostView } from "../core/observation.ts";
import type { PlanInput } from "../core/plan.ts";

const FORMAT = "setpoint-plan-bundle";
const VERSION = 1;

/** A PlanInput as JSON holds it: maps and sets are arrays of entries. */
interface Bundle extends Pick<PlanInput, "nowMs" | "monotonicMs" | "startedAtMs" | "destroysFrozen"> {
  readonly format: typeof FORMAT;
  readonly version: number;
  readonly desired: Pick<Desired, "revision" | "hosts"> & {
    readonly pools: readonly (readonly [string, DesiredPool])[];
    readonly sets: readonly (readonly [string, DesiredSet])[];
  };
  readonly memory: SerializedMemory;
  readonly fleet: readonly (readonly [string, HostView])[];
  readonly busy: readonly string[];
}

/** Everything a plan was decided from, as text that parseBundle takes back. */
export function bundleText(input: PlanInput): string {
  const { nowMs, monotonicMs, startedAtMs, destroysFrozen, desired } = input;
  const bundle: Bundle = {
    format: FORMAT,
    version: VERSION,
    nowMs,
    monotonicMs,
    startedAtMs,
    destroysFrozen,
    desired: { revision: desired.revision, hosts: desired.hosts, pools: [...desired.pools], sets: [...desired.sets] },
    memory: serializeMemory(input.memory),
    fleet: [...input.fleet],
    busy: [...input.busy],
  };
  return `${JSON.stringify(bundle)}\n`;
}

/** The PlanInput of a bundle. Throws a UserError for any other text. */
export function parseBundle(text: string, file: string): PlanInput {
  const bundle = readBundle(text, file);
  try {
    const { nowMs, monotonicMs, startedAtMs, destroysFrozen, desired } = bundle;
    return {
      nowMs,
      monotonicMs,
      startedAtMs,
      destroysFrozen,
      desired: { ...desired, pools: new Map(desired.pools), sets: new Map(desired.sets) },
      memory: parseMemory(bundle.memory),
      fleet: new Map(bundle.fleet),
      busy: new Set(bundle.busy),
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw notABundle(file, "parts of it are missing");
  }
}

function readBundle(text: string, file: string): Bundle {
  let value: Partial<Bundle> | null;
  try {
    value = JSON.parse(text) as Partial<Bundle> | null;
  } catch {
    throw notABundle(file, "it is not JSON");
  }
  if (typeof value !== "object" || value?.format !== FORMAT) throw notABundle(file, `its "format" is not "${FORMAT}"`);
  if (value.version !== VERSION)
    throw notABundle(file, `it is of version ${String(value.version)}, and this setpoint reads version ${VERSION}`);
  return value as Bundle;
}

function notABundle(file: string, why: string): UserError {
  return new UserError("bundle-invalid", `${file} is no plan bundle: ${why}`, "Write one with: setpoint plan DIR --save FILE");
}
