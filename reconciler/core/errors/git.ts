import type { ErrorEntry } from "./catalogue.ts";

export const GIT_ERRORS = {} as const satisfies Record<string, ErrorEntry>;
