import type { EngineApi } from "../../hosts/rig/engine-api.ts";
import { IMAGES } from "../../hosts/rig/images.ts";
import type { Contender } from "./contender.ts";

/**
 * How a container gets its network. `joined`: that of one infra container; `pair`: each that of an infra container of its own; `bare-pair`: of one
 * that the engine leaves without any, also without setting its namespace up.
 */
export type RawNetwork = "none" | "host" | "bridge" | "joined" | "pair" | "bare-pair";

/** Stands on everything the raw contenders make. */
export const LABEL = "setpoint.start-speed";
const INFRA = "start-speed-infra";

/** Create and start, over and over, this many at once: the least that anybody has to do. */
export function rawEngine(engine: EngineApi, network: RawNetwork, concurrency: number): Contender {
  let running = 0;
  const start = async (name: string, mode: string, more = {}): Promise<void> => {
    const created = (await engine.call("POST", `/containers/create?name=${name}`, {
      Image: IMAGES.sleeper,
      Labels: { [LABEL]: "" },
      HostConfig: { NetworkMode: mode },
      ...more,
    })) as { readonly Id: string };
    await engine.call("POST", `/containers/${created.Id}/start`);
  };
  const startOne = async (number: number): Promise<void> => {
    const name = `start-speed-${number}`;
    if (network === "pair") await start(`${name}-infra`, "none");
    if (network === "bare-pair") await start(`${name}-infra`, "none", { NetworkDisabled: true });
    const own = `container:${name}-infra`;
    const modes = { none: "none", host: "host", bridge: "bridge", joined: `container:${INFRA}`, pair: own, "bare-pair": own };
    await start(name, modes[network]);
  };
  return {
    name: `engine API, ${concurrency} at once, ${network}`,
    containersEach: network === "pair" || network === "bare-pair" ? 2 : 1,
    async scaleTo(count) {
      if (network === "joined" && running === 0) await start(INFRA, "none");
      await eachAtOnce(range(running, count), concurrency, startOne);
      running = count;
    },
    async clear() {
      await removeLabelled(engine);
      running = 0;
    },
  };
}

/** Removes every container the raw contender ever made on this engine. */
export async function removeLabelled(engine: EngineApi): Promise<void> {
  const filters = encodeURIComponent(JSON.stringify({ label: [LABEL] }));
  const found = (await engine.call("GET", `/containers/json?all=1&filters=${filters}`)) as readonly { readonly Id: string }[];
  await eachAtOnce(found, 8, async ({ Id }) => void (await engine.call("DELETE", `/containers/${Id}?force=1`)));
}

/** `from` up to but without `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** Calls for every item, never more than `concurrency` at once. */
export async function eachAtOnce<Item>(items: readonly Item[], concurrency: number, call: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await call(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
