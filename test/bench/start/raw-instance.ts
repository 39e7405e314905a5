import type { EngineApi } from "../../hosts/rig/engine-api.ts";
import { IMAGES } from "../../hosts/rig/images.ts";
import type { Contender } from "./contender.ts";
import { eachAtOnce, LABEL, range, removeLabelled } from "./raw-engine.ts";

const NETWORK = "start-speed";
const BASE = "10.72";

/**
 * The least that an Instance takes: an infra container on a Docker network, with an address of its own, and an app container that joins it,
 * with the bodies Setpoint has in all that costs the engine time. This many Instances at once.
 */
export function rawInstances(engine: EngineApi, concurrency: number): Contender {
  let running = 0;
  return {
    name: `engine API, ${concurrency} at once, Instances`,
    containersEach: 2,
    async setUp() {
      const range = { Subnet: `${BASE}.0.0/22`, Gateway: `${BASE}.0.1` };
      const body = { Name: NETWORK, Driver: "bridge", IPAM: { Driver: "default", Config: [range] }, Labels: { [LABEL]: "" } };
      await engine.call("POST", "/networks/create", body);
    },
    async scaleTo(count) {
      await eachAtOnce(range(running, count), concurrency, (number) => startInstance(engine, number));
      running = count;
    },
    async clear() {
      await removeLabelled(engine);
      running = 0;
    },
    async tearDown() {
      await engine.call("DELETE", `/networks/${NETWORK}`);
    },
  };
}

async function startInstance(engine: EngineApi, number: number): Promise<void> {
  const name = `start-speed-${number}`;
  const create = async (suffix: string, body: object): Promise<string> => {
    const made = await engine.call("POST", `/containers/create?name=${name}${suffix}`, {
      Image: IMAGES.sleeper,
      Labels: { [LABEL]: "" },
      ...body,
    });
    return (made as { readonly Id: string }).Id;
  };
  const both = { Init: true, RestartPolicy: { Name: "no" }, SecurityOpt: ["no-new-privileges"] };
  const address = `${BASE}.${Math.floor((number + 2) / 250)}.${((number + 2) % 250) + 2}`;
  const infra = await create("-infra", {
    Hostname: name,
    HostConfig: { ...both, NetworkMode: NETWORK, LogConfig: { Type: "none" }, CapDrop: ["ALL"], ReadonlyRootfs: true },
    NetworkingConfig: { EndpointsConfig: { [NETWORK]: { IPAMConfig: { IPv4Address: address } } } },
  });
  const log = { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } };
  const limits = { CpuShares: 2, CpuPeriod: 100_000, CpuQuota: -1 };
  const app = await create("-app", { HostConfig: { ...both, ...limits, NetworkMode: `container:${infra}`, LogConfig: log } });
  await engine.call("POST", `/containers/${infra}/start`);
  await engine.call("POST", `/containers/${app}/start`);
}
