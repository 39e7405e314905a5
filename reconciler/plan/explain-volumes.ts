import type { DesiredSet } from "../core/desired.ts";
import type { ObservedVolume } from "../core/observation.ts";
import { formatBytesRounded } from "../core/units.ts";
import type { HostStatus } from "./fleet/host-status.ts";
import { plural } from "./render.ts";
import { heldBytes, refusedShrinks, unwantedVolumes } from "./volumes/on-host.ts";

/** What a slot has on its host, a sentence for each volume, and what the manifest makes of them. */
export function volumeSentences(host: HostStatus, set: DesiredSet | null, setName: string, index: number): string[] {
  const here = (host.observation?.volumes ?? []).filter((volume) => volume.set === setName && volume.index === index);
  const lines = here.map(volumeSentence);
  if (set === null) return lines;
  for (const { name } of unwantedVolumes(set, here))
    lines.push(`Volume ${name} is no longer in the manifest; it goes to the trash when the slot is next started there.`);
  const stays = refusedShrinks(set, here);
  return stays === null ? lines : [...lines, `V${stays.slice(1)}.`];
}

function volumeSentence({ name, kind, sizeBytes, usedBytes }: ObservedVolume): string {
  const [size, used] = [formatBytesRounded(sizeBytes), formatBytesRounded(usedBytes)];
  if (kind === "lvm") return `Its volume ${name} (lvm) has ${size}, of which ${used} are used.`;
  const over = usedBytes > sizeBytes ? ": its containers can only read it until some is freed or the limit is raised" : "";
  return `Its volume ${name} (dir) holds ${used} of at most ${size}${over}.`;
}

/** What a host's volume group gave, and to what; empty for a host that has no part in it. */
export function diskSentences({ observation, desired }: HostStatus): string[] {
  if (observation === null) return [];
  const [live, trash] = [heldBytes(observation.volumes), heldBytes(observation.trash)];
  const capacityBytes = Math.min(observation.capacity.diskBytes, desired?.capacity.diskBytes ?? Infinity);
  const lines: string[] = [];
  if (live + trash > 0) {
    const part = trash === 0 ? "" : `, ${formatBytesRounded(trash)} of it in the trash`;
    lines.push(`Disk: ${formatBytesRounded(live + trash)} of ${formatBytesRounded(capacityBytes)} are taken by logical volumes${part}.`);
  }
  if (observation.trash.length > 0) lines.push(`Its trash holds ${plural(observation.trash.length, "volume")}; see: setpoint trash list`);
  return lines;
}
