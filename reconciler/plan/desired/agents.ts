import { formatAddress, parseAddressRange } from "../../core/addresses.ts";
import { parseAgentAddress } from "../../core/agent-address.ts";
import type { DesiredHost } from "../../core/desired.ts";
import type { Path, Report } from "./report.ts";

/** Stands for the name of each host of a range. */
const HOST_NAME = "{host}";

/** How each host of an entry is reached, in the order of the names. A wrong one is reported once, and counts as simulated. */
export function readAgents(text: string, names: readonly string[], path: Path, report: Report): readonly string[] {
  const agents = names.map((name) => text.replaceAll(HOST_NAME, name));
  const bad = agents.map(parseAgentAddress).find((parsed) => parsed.kind === "problem");
  if (bad === undefined) return agents;
  report.error("bad-agent", path, bad.message, bad.hint);
  return names.map(() => "sim");
}

/** The hosts' own addresses, in the order of the names: a range has as many as there are names. */
export function readAddresses(text: string | undefined, names: readonly string[], path: Path, report: Report): readonly (string | null)[] {
  if (text === undefined) return names.map(() => null);
  const range = parseAddressRange(text);
  const count = range === null ? 0 : range.last - range.first + 1;
  if (range === null || count !== names.length) {
    const has = range === null ? "runs backwards" : `has ${count} ${count === 1 ? "address" : "addresses"}`;
    const message = `\`${text}\` ${has}; the entry stands for ${names.length} ${names.length === 1 ? "host" : "hosts"}, and each has one address.`;
    report.error(
      "bad-address",
      path,
      message,
      names.length === 1 ? "Write one address." : "Write a range `first-last` of as many addresses.",
    );
    return names.map(() => null);
  }
  return names.map((_, at) => formatAddress(range.first + at));
}

/** Two hosts behind one agent would make it change its mind for ever. */
export function checkSharedAgents(hosts: readonly DesiredHost[], entries: ReadonlyMap<string, number>, report: Report): void {
  const owner = new Map<string, string>();
  const told = new Set<number>();
  for (const { name, agent } of hosts) {
    if (agent === "sim") continue;
    const first = owner.get(agent);
    const entry = entries.get(name)!;
    if (first === undefined) {
      owner.set(agent, name);
    } else if (!told.has(entry)) {
      told.add(entry);
      const message = `Hosts \`${first}\` and \`${name}\` have the same agent ${agent}; an agent is one machine's.`;
      const hint =
        entries.get(first) === entry
          ? `In a range write ${HOST_NAME} for the name of each host, such as ssh://${HOST_NAME}.`
          : "Correct one of them.";
      report.error("duplicate-agent", ["spec", "hosts", entry, "agent"], message, hint);
    }
  }
}
