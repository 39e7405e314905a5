import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { openHostUsage } from "./host-usage.ts";
import type { Machine } from "./ports.ts";

/** Taken for a network card that does not tell its speed: too much rather than too little, since the HostPool's figure limits it anyway. */
const UNKNOWN_BANDWIDTH_BPS = 10e9;

/** This machine. `bandwidthBps` null: what the network card of the default route does. */
export function createMachine({
  bandwidthBps,
  proc = "/proc",
  sys = "/sys",
}: {
  readonly bandwidthBps: number | null;
  readonly proc?: string;
  readonly sys?: string;
}): Machine & { close(): void } {
  const usage = openHostUsage(proc);
  const bootId = readFileSync(join(proc, "sys/kernel/random/boot_id"), "utf8").trim();
  const bps = bandwidthBps ?? cardSpeedBps(proc, sys) ?? UNKNOWN_BANDWIDTH_BPS;
  return {
    bootId,
    uptimeMs: () => Number.parseFloat(readFileSync(join(proc, "uptime"), "utf8")) * 1000,
    capacity: { cpuMillis: cpus().length * 1000, memoryBytes: totalmem(), diskBytes: 0, ingressBps: bps, egressBps: bps },
    usage: () => usage.read(),
    close: () => usage.close(),
  };
}

/** Speed of the card that the default route goes through; null when there is none, or it does not say. */
function cardSpeedBps(proc: string, sys: string): number | null {
  try {
    const routes = readFileSync(join(proc, "net/route"), "utf8").split("\n").slice(1);
    const card = routes.map((line) => line.split("\t")).find(([, destination]) => destination === "00000000")?.[0];
    if (card === undefined) return null;
    const megabits = Number(readFileSync(join(sys, "class/net", card, "speed"), "utf8"));
    return megabits > 0 ? megabits * 1e6 : null;
  } catch {
    // A card without a speed answers the read with an error.
    return null;
  }
}
