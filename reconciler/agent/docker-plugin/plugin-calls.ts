/*
 * Docker's plugin protocol, as far as all kinds of plugins share it: POST with a JSON body, `{Err}` for a refusal.
 */

/** What one plugin does for Docker. Calls may come twice, and reject with a sentence for people. */
export interface PluginCalls {
  /** For messages. */
  readonly kind: "network" | "volume";
  /** Longest an answer may take: Docker waits for minutes or for ever, and holds locks meanwhile. */
  readonly deadlineMs: number;
  /** Every call of the protocol, by path; each ends at its signal. */
  readonly calls: Readonly<Record<string, (body: PluginBody, signal: AbortSignal) => Promise<object> | object>>;
  /** A successful answer was sent. */
  readonly answered?: (path: string, body: PluginBody) => void;
}

export type PluginBody = Readonly<Record<string, unknown>>;

/** Empty when it is not there. */
export function textOf(record: PluginBody, name: string): string {
  const value = record[name];
  return typeof value === "string" ? value : "";
}

/** As textOf. */
export function recordOf(record: PluginBody, name: string): PluginBody {
  const value = record[name];
  return typeof value === "object" && value !== null ? (value as PluginBody) : {};
}
