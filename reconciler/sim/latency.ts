import type { Action } from "../core/plan.ts";
import type { SimHost } from "./host-state.ts";
import { traitOf, type Random } from "./random.ts";
import { imageTag } from "./steps-disk.ts";

/** Steps one container engine works on at a time; the rest wait in line. */
export const ENGINE_PARALLELISM = 8;

/** What a simulated registry delivers, bytes per second. */
const PULL_BYTES_PER_SECOND = 60e6;

/** How long a host takes for a step, milliseconds; the figures are those of Docker 20.10, OVS and LVM on Debian 12. */
export function stepDurationMs(host: SimHost, action: Action, random: Random): number {
  switch (action.kind) {
    case "pullImage":
      return pullMs(action.image);
    case "createVolume":
      return random.between(300, 900);
    case "growVolume":
      return random.between(100, 300);
    case "attachPort":
      return random.between(20, 130);
    case "startInstance":
      return manyMs(action.spec.template.containers.length + 1, 250, 450, random);
    case "updateLive":
      return random.between(30, 80);
    case "replaceContainers":
      return stopMs(host, action, random) + manyMs(action.containers.length, 250, 450, random);
    case "stopInstance":
      return stopMs(host, action, random);
    case "removeInstance":
      return random.between(50, 200);
    case "detachPort":
      return random.between(20, 60);
    case "trashVolume":
    case "restoreVolume":
      return random.between(50, 200);
    case "purgeVolume":
      return random.between(100, 500);
    case "awaitHealthy":
    case "confirmGone":
      return random.between(5, 20);
    default:
      return action satisfies never;
  }
}

/** 20 to 800 MB by the image's name, so that each image has one size; the tag `slow` takes a minute more. */
function pullMs(image: string): number {
  const sizeBytes = 20e6 * 40 ** traitOf(image);
  return (sizeBytes / PULL_BYTES_PER_SECOND) * 1000 + (imageTag(image) === "slow" ? 60_000 : 0);
}

function manyMs(count: number, low: number, high: number, random: Random): number {
  let sum = 0;
  for (let done = 0; done < count; done++) sum += random.between(low, high);
  return sum;
}

/** preStop, then the signal: most processes leave soon, one in fifty waits for its time-out. */
function stopMs(host: SimHost, action: Action, random: Random): number {
  const containers = host.slots.get(`${action.set}/${action.index}`)?.instances.get(action.generation)?.spec.template.containers ?? [];
  let longest = 0;
  for (const container of containers) {
    const preStop = container.preStop === null ? 0 : random.between(100, 500);
    const stubborn = random.chance(0.02);
    const exit = stubborn ? container.stopTimeoutMs : Math.min(container.stopTimeoutMs, random.between(50, 1500));
    longest = Math.max(longest, preStop + exit);
  }
  return longest;
}
