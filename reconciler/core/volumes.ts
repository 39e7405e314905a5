/** LVM gives room in whole extents; this is their size unless a volume group was made with another. */
const EXTENT_BYTES = 4 * 1024 ** 2;

/** A volume this much larger than asked for is so by its rounding, whatever the group's extents. */
const MOST_ROUNDING_BYTES = 64 * 1024 ** 2;

/** What a logical volume of this size takes of its group. */
export function wholeExtents(sizeBytes: number): number {
  return Math.ceil(sizeBytes / EXTENT_BYTES) * EXTENT_BYTES;
}

/** True when the volume is larger than wanted by more than rounding can be: the manifest would have it smaller. */
export function isLargerThan(sizeBytes: number, wantedBytes: number): boolean {
  return sizeBytes - wantedBytes >= MOST_ROUNDING_BYTES;
}
