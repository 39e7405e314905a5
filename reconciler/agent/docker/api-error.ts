import { StepError } from "../ports.ts";

/** The engine's answer that was no success. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** True when the engine answered with this HTTP status. */
export function hasStatus(error: unknown, status: number): boolean {
  return error instanceof ApiError && error.status === status;
}

interface Verdict {
  readonly pattern: RegExp;
  readonly code: string;
  readonly retry: "transient" | "permanent";
  readonly outcome: "failed" | "refused";
  /** What to do, where the engine's words alone do not tell. */
  readonly advice?: string;
}

/** The engine has no codes of its own: its sentences, first match first. */
const VERDICTS: readonly Verdict[] = [
  { pattern: /no space left on device|disk quota exceeded/i, code: "disk-full", retry: "transient", outcome: "failed" },
  {
    pattern: /port is already allocated|address already in use|ports are not available/i,
    code: "port-taken",
    retry: "transient",
    outcome: "failed",
  },
  { pattern: /no such image/i, code: "not-ready", retry: "transient", outcome: "refused" },
  {
    pattern: /unknown runtime|runtime name/i,
    code: "runtime-missing",
    retry: "transient",
    outcome: "refused",
    advice: "; register the runtime in /etc/docker/daemon.json of that host (`docker info` lists those it knows)",
  },
  {
    pattern: /error looking up volume plugin|error getting volume driver|could not load volume driver/i,
    code: "volume-driver-missing",
    retry: "transient",
    outcome: "refused",
    advice: "; install the plugin on that host and start it (`docker info` lists those that Docker knows)",
  },
  {
    pattern: /VolumeDriver\.|volume plugin \S+ refused|error while mounting volume|failed to mount local volume|error creating volume/i,
    code: "volume-driver-failed",
    retry: "transient",
    outcome: "failed",
  },
  { pattern: /docker-init/i, code: "no-capability", retry: "permanent", outcome: "refused" },
  {
    pattern: /endpoint|networkdriver|sandbox|network [^ ]+ not found|plugin "[^"]*" not found|iptables/i,
    code: "network-failed",
    retry: "transient",
    outcome: "failed",
  },
  {
    pattern: /sysctl|\/proc\/sys\/|rlimit|ulimit|unknown capability|capability not supported|apply caps/i,
    code: "option-refused",
    retry: "permanent",
    outcome: "failed",
  },
  {
    pattern: /executable file not found|exec format error|permission denied|no such file or directory|unable to find user|not a directory/i,
    code: "cannot-run",
    retry: "permanent",
    outcome: "failed",
  },
  { pattern: /volume is in use|removal of container .* already in progress/i, code: "in-use", retry: "transient", outcome: "failed" },
];

/** What the agent answers for an error of the engine, in the words of the engine less what `hide` takes out. `what`: the step, for people. */
export function toStepError(error: unknown, what: string, hide: (text: string) => string): unknown {
  if (!(error instanceof ApiError)) return error;
  const said = hide(error.message);
  const verdict = VERDICTS.find(({ pattern }) => pattern.test(error.message));
  if (verdict !== undefined) {
    return new StepError(verdict.code, `${what}: ${said}${verdict.advice ?? ""}`, { retry: verdict.retry, outcome: verdict.outcome });
  }
  if (error.status === 404) return new StepError("not-found", `${what}: ${said}`, { outcome: "refused" });
  return new StepError("engine-failed", `${what}: ${said}`, { retry: error.status === 400 ? "permanent" : "transient" });
}

/** An error of the connection itself, before there was an answer. */
export function connectionError(error: unknown, socketPath: string): unknown {
  const code = (error as { readonly code?: string } | null)?.code ?? "";
  if (code.startsWith("HPE_")) return unreachable(`what listens on ${socketPath} is no container engine`);
  switch (code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return unreachable(`no container engine listens on ${socketPath}`);
    case "EACCES":
    case "EPERM":
      return new StepError("engine-permission", `the agent may not open ${socketPath}`);
    case "EAGAIN":
      return unreachable(`the container engine takes no more connections on ${socketPath}`);
    case "ECONNRESET":
    case "EPIPE":
      return unreachable(`the container engine closed the connection on ${socketPath} before it answered`);
    default:
      return error;
  }
}

function unreachable(message: string): StepError {
  return new StepError("engine-unreachable", message);
}
