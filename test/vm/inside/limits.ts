import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createCgroupLocator } from "../../../reconciler/agent/cgroup/locate.ts";
import type { HostSample } from "../../../reconciler/core/samples.ts";
import { measureCpuQuota, measureIoThrottle, measureMemoryLimit, readCounters } from "../../hosts/measure/container.ts";

/*
 * Runs on a machine, and prints as JSON what its kernel makes of a container's limits:
 *
 *   node limits.ts cpu ID MILLIS | io ID BPS | memory ID LIMIT OTHER... | samples SOCKET SECONDS
 */

const SECONDS = 3;

const [what, subject, figure, ...others] = process.argv.slice(2) as [string, string, string, ...string[]];
process.stdout.write(`${JSON.stringify(await measure())}\n`);

async function measure(): Promise<unknown> {
  const locator = createCgroupLocator();
  const owner = { id: subject, pid: 0 };
  switch (what) {
    case "cpu":
      return { ...(await measureCpuQuota(locator, owner, Number(figure), SECONDS)), counters: readCounters(locator, owner) };
    case "io":
      return await measureIoThrottle(locator, owner, Number(figure), SECONDS);
    case "memory": {
      const owners = Object.fromEntries([subject, ...others].map((id) => [id, { id, pid: 0 }]));
      return measureMemoryLimit(locator, owners, subject, Number(figure));
    }
    case "samples":
      return await readSamples(subject, Number(figure));
    default:
      throw new Error(`there is nothing called ${what} to measure`);
  }
}

/** What the agent says it sampled in so many seconds. */
async function readSamples(socketPath: string, seconds: number): Promise<readonly HostSample[]> {
  const socket = connect(socketPath);
  const heard: string[] = [];
  socket.setEncoding("utf8").on("data", (chunk: string) => void heard.push(chunk));
  socket.write("GET /v1/watch HTTP/1.1\r\nHost: agent\r\n\r\n");
  await sleep(seconds * 1000);
  socket.destroy();
  // Lines of JSON between those of the chunks that carry them.
  return heard
    .join("")
    .split("\r\n")
    .join("\n")
    .split("\n")
    .filter((line) => line.startsWith('{"type":"sample"') && line.endsWith("}"))
    .map((line) => (JSON.parse(line) as { readonly sample: HostSample }).sample);
}
