import { CLI_ERRORS } from "./cli.ts";
import { DESIRED_ERRORS } from "./desired.ts";
import { GIT_ERRORS } from "./git.ts";
import { HOST_ERRORS } from "./hosts.ts";
import { MANIFEST_ERRORS } from "./manifests.ts";
import { RUN_ERRORS } from "./run.ts";
import { STORE_ERRORS } from "./store.ts";

/** One kind of trouble a user can meet: shown by code, explained in docs/ERRORS.md (a test proves both equal). */
export interface ErrorEntry {
  /** What happened, one sentence. */
  readonly what: string;
  /** What to do, one or two sentences. */
  readonly fix: string;
}

/** Every code a message can carry. */
export const ERRORS: Readonly<Record<string, ErrorEntry>> = {
  ...MANIFEST_ERRORS,
  ...DESIRED_ERRORS,
  ...GIT_ERRORS,
  ...STORE_ERRORS,
  ...RUN_ERRORS,
  ...HOST_ERRORS,
  ...CLI_ERRORS,
};
