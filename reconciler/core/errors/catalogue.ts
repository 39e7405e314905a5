import { AGENT_ERRORS } from "./agent.ts";
import { CLI_ERRORS } from "./cli.ts";
import { DESIRED_ERRORS } from "./desired.ts";
import type { ErrorEntry } from "./entry.ts";
import { GIT_ERRORS } from "./git.ts";
import { HOST_ERRORS } from "./hosts.ts";
import { MANIFEST_ERRORS } from "./manifests.ts";
import { PLAN_ERRORS } from "./plan.ts";
import { RUN_ERRORS } from "./run.ts";
import { STORE_ERRORS } from "./store.ts";
import { TRASH_ERRORS } from "./trash.ts";

/** Every code a message can carry. */
export const ERRORS: Readonly<Record<string, ErrorEntry>> = {
  ...MANIFEST_ERRORS,
  ...DESIRED_ERRORS,
  ...GIT_ERRORS,
  ...STORE_ERRORS,
  ...TRASH_ERRORS,
  ...PLAN_ERRORS,
  ...RUN_ERRORS,
  ...HOST_ERRORS,
  ...AGENT_ERRORS,
  ...CLI_ERRORS,
};
