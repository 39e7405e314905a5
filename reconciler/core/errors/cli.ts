import type { ErrorEntry } from "./catalogue.ts";

export const CLI_ERRORS = {} as const satisfies Record<string, ErrorEntry>;
