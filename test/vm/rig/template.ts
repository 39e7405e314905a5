import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageArchive } from "../../hosts/rig/images.ts";
import { findAccelerator, qemuVersion, type Accelerator } from "./accelerator.ts";
import { cached, keyOf } from "./cache.ts";
import { VmHost, type Template, type VmPlace } from "./host.ts";
import { ensureImage, type Image } from "./image.ts";
import { installAgent, productKey } from "./install.ts";
import { machineArguments, RAM_MIB } from "./qemu.ts";
import { HOST_KEY_ALIAS } from "./ssh.ts";

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
  // A saved state fits only the QEMU that saved it.
  const baseKey = keyOf(readFileSync(import.meta.filename), image.key, qemuVersion(), machineArguments(accelerator).join(" "), imageArchive());
  const base = await cached("base", baseKey, (folder) => make(folder, { image, accelerator }, bootBase));
  if (kind === "base") return { template: base, image, accelerator };
  const install = async (host: VmHost): Promise<void> => {
    await host.resume(base, { canBeSaved: true });
    await installAgent(host);
  };
  const template = await cached("installed", keyOf(baseKey, productKey()), (folder) => make(folder, { image, accelerator }, install));
  return { template, image, accelerator };
}

async function make(folder: string, { image, accelerator }: Omit<Mould, "template">, prepare: (host: VmHost) => Promise<void>): Promise<void> {
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
  } finally {
    await host.close();
  }
}

export function writeKnownHosts(path: string, image: Image): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `${HOST_KEY_ALIAS} ${image.hostKey}\n`);
}

/** Boots, and does once what is slow the first time: programs come into memory, and modules into the kernel. */
async function bootBase(host: VmHost): Promise<void> {
  writeFileSync(join(host.folder, "ram"), "");
  truncateSync(join(host.folder, "ram"), RAM_MIB * 1024 * 1024);
  await host.bootNew();
  await host.engine.send("/images/load?quiet=1", imageArchive());
  for (const line of WARM_UP) await host.exec(line.split(" "));
}

const WARM_UP = [
  "docker run --rm --publish 65000:1 rig.test/sleeper:1 true",
  "node -e 1",
  "modprobe -a dm_thin_pool dm_snapshot xfs vxlan ifb sch_htb sch_tbf sch_netem sch_ingress act_police cls_u32 cls_matchall cls_flower",
  "pvcreate -q /dev/vdb",
  "vgcreate -q warm /dev/vdb",
  "lvcreate -q -n up -L 320M warm",
  "mkfs.ext4 -q /dev/warm/up",
  "mount /dev/warm/up /mnt",
  "umount /mnt",
  "mkfs.xfs -f -q /dev/warm/up",
  "vgremove -q -y warm",
  "pvremove -q /dev/vdb",
  "ovs-vsctl add-br warm",
  "ip link set warm up",
  "tc qdisc add dev warm root handle 1: htb",
  "tc qdisc add dev warm ingress",
  "ovs-vsctl del-br warm",
];

