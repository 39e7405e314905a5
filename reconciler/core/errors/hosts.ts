import type { ErrorEntry } from "./catalogue.ts";

export const HOST_ERRORS = {} as const satisfies Record<string, ErrorEntry>;
