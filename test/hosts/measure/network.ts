import { type Measurement, measurement } from "./measurement.ts";

/** Runs a program where the client is (in an Instance, on a host) and gives its standard output. */
export type Run = (argv: readonly string[]) => Promise<string>;

export interface RateRequest {
  /** Address of an `iperf3 --server`. */
  readonly server: string;
  readonly port?: number;
  readonly seconds: number;
  readonly requiredBps: number;
  /** `from`: the client sends; `to`: the client receives. */
  readonly direction: "from" | "to";
}

/** Rate of one TCP stream, as its receiver counts it, without the first second. bit/s. */
export async function measureRate(run: Run, { server, port = 5201, seconds, requiredBps, direction }: RateRequest): Promise<Measurement> {
  const way = direction === "to" ? ["--reverse"] : [];
  const output = await run([
    "iperf3",
    "--client",
    server,
    "--port",
    String(port),
    "--time",
    String(seconds),
    "--omit",
    "1",
    "--json",
    ...way,
  ]);
  return measurement(requiredBps, parseIperf(output), "bit/s");
}

/** Of `iperf3 --json`. Throws with iperf3's own words when it failed. */
export function parseIperf(output: string): number {
  const report = JSON.parse(output) as { error?: string; end?: { sum_received?: { bits_per_second?: number } } };
  const rate = report.end?.sum_received?.bits_per_second;
  if (report.error !== undefined || rate === undefined) throw new Error(`iperf3: ${report.error ?? "no result"}`);
  return rate;
}
