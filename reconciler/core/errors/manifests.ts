import type { ErrorEntry } from "./catalogue.ts";

export const MANIFEST_ERRORS = {} as const satisfies Record<string, ErrorEntry>;
