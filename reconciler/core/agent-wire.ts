import type { HostObservation } from "./observation.ts";
import type { Action } from "./plan.ts";
import type { HostSample } from "./samples.ts";

/*
 * What travels between a reconciler and an agent: HTTP/1.1 over one stream (unix socket, or ssh joined to it), JSON bodies, NDJSON where
 * several answers come one by one. Every request carries `setpoint-fleet` (name) and `setpoint-wire` (WIRE_VERSION); an agent that
 * belongs to another fleet or speaks another version answers 409 with a WireError.
 *
 *   PUT  /v1/settings   HostSettings → 204
 *   GET  /v1/observe    → HostObservation, made after the request came in
 *   GET  /v1/watch      → NDJSON of WatchLine: first an observation, then whatever changes, samples, heartbeats
 *   POST /v1/lease      LeaseEcho → 204
 *   POST /v1/apply      ApplyRequest → NDJSON of ActionResult, in the order in which steps end
 */

/** Raised when either side would misunderstand the other. */
export const WIRE_VERSION = 1;

/** Every second, so that silence is noticed in seconds. */
export const HEARTBEAT_EVERY_MS = 1_000;

export type WatchLine =
  | { readonly type: "observation"; readonly observation: HostObservation }
  /** `beat` counts upward within one `boot`; the lease runs from when the echoed one was sent. */
  | { readonly type: "heartbeat"; readonly boot: string; readonly beat: number }
  | { readonly type: "sample"; readonly sample: HostSample };

export interface LeaseEcho {
  readonly boot: string;
  readonly beat: number;
}

export interface ApplyRequest {
  readonly actions: readonly Action[];
}

export interface ActionResult {
  /** `Action.number`. */
  readonly number: number;
  readonly outcome: "done" | "failed" | "refused";
  /** Error code, e.g. `image-not-found`, `stale-generation`, `not-ours`; empty when done. */
  readonly code: string;
  /** For people; empty when done. */
  readonly message: string;
  /** `permanent`: the same input will fail again. */
  readonly retry: "transient" | "permanent";
  /** The first HostObservation.version of this boot that contains the effect. */
  readonly version: number;
}

/** Body of every answer that is not 2xx. `code` is one of docs/ERRORS.md. */
export interface WireError {
  readonly code: string;
  readonly message: string;
}
