import type { FleetHost, TestFleet, WorldContainer } from "./fleet.ts";

/** How many app containers of each slot ran at once, from one moment to another. */
export interface Lives {
  /** By slot: the fewest and the most at any time. */
  readonly slots: ReadonlyMap<string, { readonly least: number; readonly most: number }>;
  /** The fewest Instances of a Set with a running app container at any time. */
  readonly leastOf: (set: string) => number;
}

/** Counts from now until the returned function is called, by the events of the hosts' own Dockers, which must not be killed meanwhile. */
export async function watchLives(fleet: TestFleet): Promise<() => Promise<Lives>> {
  const sinceMs = Date.now();
  const before = (await fleet.world()).filter(isRunningApp);
  return async () => {
    const untilMs = Date.now();
    const turns = await Promise.all(fleet.rig.hosts.map((host) => turnsOf(host, sinceMs, untilMs)));
    return countLives(
      before,
      turns.flat().sort((one, other) => (one.atNs < other.atNs ? -1 : 1)),
    );
  };
}

function isRunningApp({ role, running }: WorldContainer): boolean {
  return role === "app" && running;
}

/** One container that started or ended. */
interface Turn {
  readonly atNs: bigint;
  readonly id: string;
  readonly slot: string;
  readonly runs: boolean;
}

async function turnsOf(host: FleetHost, sinceMs: number, untilMs: number): Promise<readonly Turn[]> {
  const filters = ["event=start", "event=die", "label=setpoint.role=app"].flatMap((filter) => ["--filter", filter]);
  const span = ["--since", String(sinceMs / 1000), "--until", String(untilMs / 1000)];
  // Not {{json .}}: a number of nanoseconds is more than JSON's numbers hold.
  const format =
    '{{.TimeNano}} {{.Action}} {{.ID}} {{index .Actor.Attributes "setpoint.set"}}/{{index .Actor.Attributes "setpoint.index"}}';
  const lines = (await host.docker("events", ...span, ...filters, "--format", format)).split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [at, action, id, slot] = line.split(" ") as [string, string, string, string];
    return { atNs: BigInt(at), id, slot, runs: action === "start" };
  });
}

/** A container that runs when told to have started, or does not when told to have ended, is no change. */
function countLives(before: readonly WorldContainer[], turns: readonly Turn[]): Lives {
  const running = new Map<string, Set<string>>();
  for (const { slot, id } of before) running.set(slot, (running.get(slot) ?? new Set()).add(id));
  const slots = new Map([...running].map(([slot, ids]) => [slot, { least: ids.size, most: ids.size }]));
  const setOf = (slot: string): string => slot.split("/")[0]!;
  const countOf = (set: string): number => [...running].filter(([slot, ids]) => setOf(slot) === set && ids.size > 0).length;
  const least = new Map([...running.keys()].map((slot) => [setOf(slot), countOf(setOf(slot))]));
  for (const { slot, id, runs } of turns) {
    const ids = running.get(slot) ?? new Set();
    running.set(slot, ids);
    if (runs) ids.add(id);
    else ids.delete(id);
    const { size } = ids;
    const seen = slots.get(slot) ?? { least: 0, most: 0 };
    slots.set(slot, { least: Math.min(seen.least, size), most: Math.max(seen.most, size) });
    const set = setOf(slot);
    least.set(set, Math.min(least.get(set) ?? 0, countOf(set)));
  }
  return { slots, leastOf: (set) => least.get(set) ?? 0 };
}
