import { slotKey } from "../core/ids.ts";
import type { InstanceRef } from "./ports.ts";

/** `web/3@2`: one Instance of one slot; also the key of Network.counters(). */
export function instanceKey({ set, index, generation }: InstanceRef): string {
  return `${slotKey(set, index)}@${generation}`;
}

/** `generation 2 of web/3`, for messages. */
export function instanceName({ set, index, generation }: InstanceRef): string {
  return `generation ${generation} of ${slotKey(set, index)}`;
}
