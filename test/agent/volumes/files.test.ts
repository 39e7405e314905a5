import { expect, test } from "vitest";
import { keepsMounted } from "../../../reconciler/agent/volumes/files.ts";

const UDEV = "91 88 253:3 / /var/lib/setpoint/volumes/db/0/data rw,nosuid,nodev,relatime master:38 - ext4 /dev/mapper/vg0-data rw";
const CONTAINER = "412 399 253:3 /data /data rw,nosuid,nodev,relatime - ext4 /dev/mapper/vg0-data rw";

test("a copy of a mount that follows the host's keeps nothing busy, one of a container's own does", () => {
  expect(keepsMounted(`1 0 0:1 / / rw - tmpfs tmpfs rw\n${UDEV}\n`, "253:3")).toBe(false);
  expect(keepsMounted(UDEV.replace("master", "shared"), "253:3")).toBe(false);
  expect(keepsMounted(`${UDEV}\n${CONTAINER}\n`, "253:3")).toBe(true);
  expect(keepsMounted(CONTAINER, "253:4")).toBe(false);
  expect(keepsMounted("", "253:3")).toBe(false);
});
