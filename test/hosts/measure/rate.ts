import { join } from "node:path";
import { type FleetHost, inNetworkOf } from "../fleet.ts";
import type { RigHost } from "../rig/host.ts";
import { RIG_PATH, startInNamespaces, type RigProcess } from "../rig/process.ts";
import { waitFor } from "../rig/wait.ts";
import type { Look } from "./conforms.ts";
import type { Measurement } from "./measurement.ts";
import { measureRate, type RateRequest } from "./network.ts";

/** An Instance without limits moves this much of what the limit allows where the machine has time for it. */
const ENOUGH_TIMES = 3;

/** Who takes part in looks at a rate: two containers of one host, by name or id, and one of any. */
export interface RateLab {
  readonly host: FleetHost;
  /** Address of the container in which iperf3 serves. */
  readonly server: string;
  /** Has no limits. */
  readonly free: string;
  readonly limited: string;
}

/** iperf3 as a server in a container's network, until it is killed. */
export async function startIperf(host: RigHost, container: string): Promise<RigProcess> {
  const pid = await host.docker("inspect", "--format", "{{.State.Pid}}", container);
  const argv = ["nsenter", `--net=/proc/${pid}/ns/net`, "iperf3", "--server"];
  return await startInNamespaces(host.initPid, argv, { log: join(host.folder, "log/iperf3.log"), env: { PATH: RIG_PATH } });
}

/** One look at the rate of the limited container, from it or to it; fair when the free one got on well right before and right after. */
export async function lookAtRate({ host, server, free, limited }: RateLab, requiredBps: number, direction: "from" | "to"): Promise<Look> {
  const measure = (client: string, seconds: number): Promise<Measurement> =>
    rateOf(host, client, { server, seconds, requiredBps, direction });
  const isFree = async (): Promise<boolean> => (await measure(free, 1)).measured >= ENOUGH_TIMES * requiredBps;
  const before = await isFree();
  const figure = await measure(limited, 2);
  return { figure, fair: before && (await isFree()) };
}

async function rateOf(host: FleetHost, client: string, request: RateRequest): Promise<Measurement> {
  const run = async (argv: readonly string[]): Promise<string> => (await inNetworkOf(host, client, argv)).stdout;
  return await waitFor(`iperf3 from ${client}`, () => measureRate(run, request), { everyMs: 200 });
}
