import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageArchive } from "../../hosts/rig/images.ts";
import { findAccelerator, type Accelerator } from "./accelerator.ts";
import { cached, keyOf } from "./cache.ts";
import { DISKS, VmHost, type Template, type VmPlace } from "./host.ts";
import { ensureImage, type Image } from "./image.ts";
import { installAgent, productKey } from "./install.ts";
import { savedFor } from "./qemu.ts";
import { HOST_KEY_ALIAS } from "./ssh.ts";
import { bootWarm, WARM_UP } from "./warm-up.ts";

/** `base`: Docker, Open vSwitch and LVM are up. `installed`: also the agent of this source tree, as a unit. */
export type TemplateKind = "base" | "installed";

/** What clones are made of. */
export interface Mould {
  readonly template: Template;
  readonly image: Image;
  readonly accelerator: Accelerator;
}

/** From the cache when nothing that goes in changed; else it is made, which takes a minute. */
export async function ensureTemplate(kind: TemplateKind): Promise<Mould> {
  const image = await ensureImage();
  const accelerator = await findAccelerator(image);
  const baseKey = keyOf(savedFor(image, accelerator, DISKS), WARM_UP.join("\n"), imageArchive());
  const base = await cached("base", baseKey, (folder) => make(folder, { image, accelerator }, bootWarm));
  if (kind === "base") return { template: base, image, accelerator };
  const install = async (host: VmHost): Promise<void> => {
    await host.resume(base, { canBeSaved: true });
    await installAgent(host);
  };
  const template = await cached("installed", keyOf(baseKey, productKey()), (folder) => make(folder, { image, accelerator }, install));
  return { template, image, accelerator };
}

async function make(
  folder: string,
  { image, accelerator }: Omit<Mould, "template">,
  prepare: (host: VmHost) => Promise<void>,
): Promise<void> {
  const knownHosts = join(folder, "known_hosts");
  writeKnownHosts(knownHosts, image);
  const place: VmPlace = {
    name: "template",
    number: 254,
    folder,
    image,
    accelerator,
    lan: "hubport,hubid=0",
    knownHosts,
    onStart: () => {},
  };
  const host = new VmHost(place);
  try {
    await prepare(host);
    await host.save();
  } catch (error) {
    throw new Error(`a machine to copy could not be made\n${host.logTails(60)}`, { cause: error });
  } finally {
    await host.close();
  }
}

export function writeKnownHosts(path: string, image: Image): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `${HOST_KEY_ALIAS} ${image.hostKey}\n`);
}
