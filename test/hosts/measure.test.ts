import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { conforms, type Look } from "./measure/conforms.ts";
import { formatMeasurements, type Measurement, measurement } from "./measure/measurement.ts";
import { measureRate, parseIperf } from "./measure/network.ts";
import { waitFor } from "./rig/wait.ts";

test("a measurement says how far off it is; the table lines up", () => {
  const slow = measurement(50, 47.5, "Mbit/s");
  expect(slow.errorPercent).toBeCloseTo(-5);
  expect(measurement(0, 0, "bytes").errorPercent).toBe(0);
  expect(
    formatMeasurements([
      ["rate to", slow],
      ["memory limit", measurement(1048576, 1048576, "bytes")],
      ["io throttle", "not here"],
    ]),
  ).toBe(
    [
      "              required  measured  unit       error",
      "rate to             50      47.5  Mbit/s    -5.0 %",
      "memory limit   1048576   1048576  bytes     +0.0 %",
      "io throttle          -         -  not here",
    ].join("\n"),
  );
});

/** Looks one after the other, as `17 fair` or `17 busy`, at what should be 100. */
function looks(...seen: readonly string[]): () => Promise<Look> {
  const left = seen.map((look) => look.split(" ") as [string, "fair" | "busy"]);
  return () => {
    const [measured, when] = left.length > 1 ? left.shift()! : left[0]!;
    return Promise.resolve({ figure: measurement(100, Number(measured), "bit/s"), fair: when === "fair" });
  };
}

test("a limit conforms by a fair look; one too high never, one too low only where the machine had no time at all", async () => {
  const measured = async (look: () => Promise<Look>, options?: { readonly orBusy: boolean }): Promise<number> =>
    (await conforms("rate", look, options)).figure.measured;
  expect(await measured(looks("95 busy", "40 fair", "91 fair"))).toBe(91);
  await expect(measured(looks("50 busy", "111 busy", "100 fair"))).rejects.toThrow(
    "rate: off by -50.0 % on a busy machine, 11.0 % on a busy machine",
  );
  await expect(measured(looks("95 busy", "89 fair"))).rejects.toThrow("off by -5.0 % on a busy machine, -11.0 %, -11.0 %");
  await expect(measured(looks("95 busy"))).rejects.toThrow("off by -5.0 % on a busy machine");
  const orBusy = { orBusy: true };
  expect(await measured(looks("30 busy", "60 busy", "50 busy"), orBusy)).toBe(60);
  expect(await measured(looks("9 fair", "88 busy", "40 fair", "76 fair"), orBusy)).toBe(88);
  await expect(measured(looks("9 fair", "88 busy", "80 fair"), orBusy)).rejects.toThrow("off by");
  await expect(measured(looks("30 busy", "60 fair", "50 busy"), orBusy)).rejects.toThrow("off by");
  await expect(measured(looks("30 busy", "111 busy"), orBusy)).rejects.toThrow("11.0 %");
});

test("iperf3's own words come through", () => {
  expect(() => parseIperf('{"start":{},"end":{},"error":"unable to connect to server: Connection refused"}')).toThrow(
    "iperf3: unable to connect to server: Connection refused",
  );
});

/** In a network of its own, whose loopback lets 20 Mbit/s through. */
const SERVER = `
  const { execFileSync, spawn } = require("node:child_process");
  execFileSync("ip", ["link", "set", "lo", "mtu", "1500", "up"]);
  execFileSync("tc", ["qdisc", "replace", "dev", "lo", "root", "tbf", "rate", "20mbit", "burst", "128kb", "latency", "50ms"]);
  const server = spawn("iperf3", ["--server", "--forceflush"], { stdio: ["ignore", "pipe", "ignore"] });
  server.stdout.once("data", () => console.log("ready"));
  server.stdout.resume();
  process.on("SIGTERM", () => { server.kill("SIGKILL"); process.exit(); });
`;

test("the rate of a limited link is measured each way", async () => {
  const server = spawn("unshare", ["--net", process.execPath, "-e", SERVER], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const chunk of server.stdout) if (String(chunk).includes("ready")) break;
    const run = async (argv: readonly string[]): Promise<string> => {
      const client = spawn("nsenter", [`--net=/proc/${server.pid}/ns/net`, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      for await (const chunk of client.stdout) output += String(chunk);
      return output;
    };
    for (const direction of ["from", "to"] as const) {
      const measure = (): Promise<Measurement> => measureRate(run, { server: "127.0.0.1", seconds: 2, requiredBps: 20e6, direction });
      await conforms(`rate ${direction} the client`, async () => ({ figure: await waitFor("the server to be free", measure), fair: true }));
    }
  } finally {
    server.kill("SIGTERM");
  }
});
