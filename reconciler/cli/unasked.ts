import type { Desired } from "../core/desired.ts";

const MOST_NAMES = 3;

/** `hosts with real agents were not asked (a, b, c and 2 more)`; null where all hosts are simulated. Only a daemon or `apply` asks hosts. */
export function unaskedHosts({ hosts }: Desired): string | null {
  const names = hosts.filter(({ agent }) => agent !== "sim").map(({ name }) => name);
  if (names.length === 0) return null;
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "";
  return `hosts with real agents were not asked (${names.slice(0, MOST_NAMES).join(", ")}${more})`;
}
