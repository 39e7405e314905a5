import type { Command } from "../../commands.ts";

/** How long a full bucket lasts at the limit, and how long a packet may wait for its turn. */
const BURST_MS = 40;
const LATENCY_MS = 50;
/** Of the bucket: a few packets of the largest size that a sender hands over at once must fit. */
const SMALLEST_BURST_BYTES = 16 * 1024;

/** Limits what leaves through a link to `bps` (bit/s on the wire, headers included); null takes the limit away. May be done twice. */
export function limitLink(link: string, bps: number | null): Command {
  return { program: "tc", args: limitArgs(link, bps) };
}

/** The same inside a network namespace, given by its path. */
export function limitInside(sandbox: string, link: string, bps: number | null): Command {
  return { program: "nsenter", args: [`--net=${sandbox}`, "tc", ...limitArgs(link, bps)] };
}

function limitArgs(link: string, bps: number | null): string[] {
  const target = ["dev", link, "root"];
  // What a veth has by itself: unlike `del` this does not fail where there is no limit.
  if (bps === null) return ["qdisc", "replace", ...target, "noqueue"];
  return ["qdisc", "replace", ...target, "tbf", "rate", `${bps}bit`, "burst", `${burstBytes(bps)}b`, "latency", `${LATENCY_MS}ms`];
}

export function burstBytes(bps: number): number {
  return Math.max(SMALLEST_BURST_BYTES, Math.ceil((bps / 8) * (BURST_MS / 1000)));
}

export const LIST_LIMITS: Command = { program: "tc", args: ["-json", "qdisc", "show"] };

/** Limit in bit/s of each link that has one, from the answer to LIST_LIMITS. */
export function parseLimits(json: string): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const qdisc of JSON.parse(json) as readonly ListedQdisc[]) {
    if (qdisc.kind === "tbf" && qdisc.root === true && qdisc.options?.rate !== undefined) limits.set(qdisc.dev, qdisc.options.rate * 8);
  }
  return limits;
}

interface ListedQdisc {
  readonly kind: string;
  readonly dev: string;
  readonly root?: boolean;
  /** Bytes per second. */
  readonly options?: { readonly rate?: number };
}
