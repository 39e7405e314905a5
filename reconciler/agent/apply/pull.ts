import type { HostCore } from "../host-core.ts";
import { DONE, refuseIncapable, type Of, type Verdict } from "./verdict.ts";

/** Pulls under way, by agent and image: those who ask for the same image share one. */
const underWay = new WeakMap<HostCore, Map<string, Promise<void>>>();

/** The image is on the host. */
export async function pullImage(core: HostCore, { image }: Of<"pullImage">, signal: AbortSignal): Promise<Verdict> {
  if (core.picture.inventory.images.includes(image)) return DONE;
  const no = refuseIncapable(core, "docker");
  if (no !== null) return no;
  const pulls = underWay.get(core) ?? new Map<string, Promise<void>>();
  underWay.set(core, pulls);
  let pull = pulls.get(image);
  if (pull === undefined) {
    pull = core.pullPermits.run(signal, () => core.parts.engine.pull(image, signal)).finally(() => pulls.delete(image));
    pulls.set(image, pull);
  }
  await pull;
  core.pulled.add(image);
  await core.look();
  return DONE;
}
