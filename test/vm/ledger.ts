import { createHash } from "node:crypto";
import { expect } from "vitest";
import type { FleetHost } from "../hosts/fleet.ts";
import { mountOf } from "./lab.ts";

/*
 * A writer that shows what is lost. Each line of its ledger is on the disk (fsync) before it is acknowledged, and holds the digest of the one
 * before, so that none can be missing, changed or out of order. A second writer would show too: its lines would not follow from the others'.
 */

/** `NUMBER UPTIME DIGEST`, of the machine's uptime in seconds. */
export interface LedgerLine {
  readonly number: number;
  readonly uptime: number;
  readonly digest: string;
}

/** Appends to /data/ledger as fast as it can, and ends when a write fails. Acknowledges `NUMBER DIGEST` to whoever listens at PEER, if there is one. */
const WRITER = `
cd /data || exit 8
touch ledger
# What a crash tore apart was never acknowledged.
if [ -n "$(tail -c 1 ledger)" ]; then head -n "$(wc -l <ledger)" ledger >whole && mv whole ledger && sync; fi
number=$(wc -l <ledger)
last=$(tail -n 1 ledger)
last=\${last##* }
while :; do
  number=$((number + 1))
  read -r uptime rest </proc/uptime
  last=$(echo "$number $uptime $last" | md5sum)
  last=\${last%% *}
  echo "$number $uptime $last" | dd of=ledger oflag=append conv=notrunc,fsync status=none || exit 9
  echo "$number $last"
done`;

export const PORT = 9000;

export const ledgerWriter = ["sh", "-c", WRITER];

/** The same, acknowledging to a Set's address. */
export function ledgerWriterTo(address: string): readonly string[] {
  // Who listens may be away, also for ever; the writer does not wait for it before a pipe is full.
  return ["sh", "-c", `(${WRITER}\n) | while :; do nc ${address} ${PORT}; sleep 1; done`];
}

/** Keeps what writers acknowledge, in /data/heard. */
export const ledgerKeeper = [
  "sh",
  "-c",
  `touch /data/heard; exec nc -ll -p ${PORT} -e sh -c 'while read -r line; do echo "$line" | dd of=/data/heard oflag=append conv=notrunc,fsync status=none; done'`,
];

/** A file of a slot's volume, as it is on its machine. */
export async function readVolume(host: FleetHost, slot: string, volume: string, file: string): Promise<string> {
  return (await host.exec(["cat", `${mountOf(slot, volume)}/data/${file}`])).stdout;
}

/** The lines of a ledger, each of which follows from the one before. A last line without its end was never acknowledged. */
export function parseLedger(text: string): readonly LedgerLine[] {
  const lines = text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
  let last = "";
  return lines.map((line, index) => {
    const [number, uptime, digest] = line.split(" ");
    const wanted = createHash("md5")
      .update(`${index + 1} ${uptime} ${last}\n`)
      .digest("hex");
    expect([line, number, digest]).toEqual([line, String(index + 1), wanted]);
    last = wanted;
    return { number: index + 1, uptime: Number(uptime), digest: wanted };
  });
}

/** `NUMBER DIGEST` lines of a keeper, whole ones. */
export function parseHeard(text: string): readonly Pick<LedgerLine, "number" | "digest">[] {
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split(" "))
    .map(([number, digest]) => ({ number: Number(number), digest: digest! }));
}

/** All that was acknowledged is in the ledger. */
export function expectKept(ledger: readonly LedgerLine[], heard: readonly Pick<LedgerLine, "number" | "digest">[]): void {
  const lost = heard.filter(({ number, digest }) => ledger[number - 1]?.digest !== digest);
  expect(lost).toEqual([]);
}
