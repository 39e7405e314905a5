import type { ErrorEntry } from "./catalogue.ts";

export const STORE_ERRORS = {
  "memory-version": {
    what: "A saved snapshot of what the journal adds up to has a format that this Setpoint does not read.",
    fix: "Use the version of Setpoint that wrote it, or a newer one.",
  },
} as const satisfies Record<string, ErrorEntry>;
