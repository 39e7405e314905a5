import type { ErrorEntry } from "./catalogue.ts";

export const STORE_ERRORS = {} as const satisfies Record<string, ErrorEntry>;
