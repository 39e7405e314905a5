import type { ErrorEntry } from "./entry.ts";

export const RUN_ERRORS = {
  deadline: {
    what: "A host did not report the result of an action in the time the action may take. It may have happened.",
    fix: "Nothing: the host is observed before anything more is sent to it. If it comes back, look at the load and the Docker daemon of that host.",
  },
  "reply-lost": {
    what: "The connection to a host ended before the result of an action came. It may have happened.",
    fix: "Nothing: the host is observed before anything more is sent to it. If it comes back, look at the network between the reconciler and that host.",
  },
  restarted: {
    what: "The reconciler was restarted while an action ran, so its result is not known.",
    fix: "Nothing: the host is observed before anything more is done to that slot.",
  },
  "source-read": {
    what: "The source of the manifests did not answer in its time, or failed in a way it has no code for.",
    fix: "See the message. The last good revision runs on and nothing is destroyed until a read succeeds.",
  },
  "build-failed": {
    what: "Setpoint itself failed on the manifests of a commit: a defect. The last good revision runs on.",
    fix: "Report it with the manifests. Until it is mended, undo what that commit changed.",
  },
  "planner-failed": {
    what: "The planner or the check of its plan failed: a defect. Nothing was carried out; the next pass begins afresh.",
    fix: "Save what it was decided from (`setpoint plan DIR --save FILE`) and report it.",
  },
  "log-level": {
    what: "The environment variable SETPOINT_LOG has a value that is not a level.",
    fix: "Set it to one of debug, info, warn, error, silent, or unset it.",
  },
} as const satisfies Record<string, ErrorEntry>;
