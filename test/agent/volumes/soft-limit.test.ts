import { describe, expect, test } from "vitest";
import { parseMounts } from "../../../reconciler/agent/cgroup/mounts.ts";
import { isAt, isReadOnly, locate } from "../../../reconciler/agent/volumes/dir/location.ts";
import { isOver, pauseAfter, useToTell } from "../../../reconciler/agent/volumes/dir/soft-limit.ts";

describe("what the use of a folder means", () => {
  test.each([
    [1000, false, false],
    [1001, false, true],
    [1000, true, true],
    [951, true, true],
    [950, true, false],
  ])("%i of 1000, read-only before: %s, after: %s", (used, was, is) => {
    expect(isOver(used, 1000, was)).toBe(is);
  });

  test.each([
    [5, 2_000],
    [1_000, 9_000],
    [60_000, 60_000],
  ])("a walk of %i ms is followed by a pause of %i ms", (cost, pause) => {
    expect(pauseAfter(cost)).toBe(pause);
  });

  test("a use is told anew when it differs by a hundredth of the limit", () => {
    expect(useToTell(500, null, 1_000)).toBe(500);
    expect(useToTell(509, 500, 1_000)).toBe(500);
    expect(useToTell(510, 500, 1_000)).toBe(510);
    expect(useToTell(490, 500, 1_000)).toBe(490);
  });
});

describe("where a folder is, the same for host and container", () => {
  const host = parseMounts(
    [
      "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
      "30 21 254:16 /@vols /srv rw,nosuid - btrfs /dev/vdb rw",
      "31 30 254:16 /@vols/web/0/a\\040b/data /srv/web/0/a\\040b/data ro,nosuid - btrfs /dev/vdb rw",
      "32 30 254:32 / /srv/own rw - xfs /dev/vdc rw",
    ].join("\n"),
  );
  const inside = parseMounts(
    "77 60 254:16 /@vols/web/0/cache/data /var/cache ro,nosuid,relatime - btrfs /dev/vdb rw\n78 60 254:0 / /etc rw - ext4 /dev/vda rw",
  );

  test("by the file system it is on and its path there", () => {
    expect(locate("/var/lib/x", host)).toEqual({ device: "254:0", root: "/var/lib/x" });
    expect(locate("/srv/web/0/cache/data", host)).toEqual({ device: "254:16", root: "/@vols/web/0/cache/data" });
    expect(locate("/srv/own/data", host)).toEqual({ device: "254:32", root: "/data" });
    expect(locate("/srv/own", host)).toEqual({ device: "254:32", root: "/" });
    // A mount of a folder over itself changes nothing about it.
    expect(locate("/srv/web/0/a b/data", host)).toEqual({ device: "254:16", root: "/@vols/web/0/a b/data" });
    expect(locate("/x", [])).toBeNull();
  });

  test("a container's mount of it is known by that, and by nothing else", () => {
    const location = locate("/srv/web/0/cache/data", host);
    expect(inside.map((mount) => isAt(mount, location))).toEqual([true, false]);
    expect(inside.map(isReadOnly)).toEqual([true, false]);
    expect(isAt(inside[0]!, null)).toBe(false);
  });
});
