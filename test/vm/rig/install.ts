import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../hosts/rig/wait.ts";
import { digestOfFiles, keyOf } from "./cache.ts";
import type { VmHost } from "./host.ts";

const ROOT = join(import.meta.dirname, "../../..");
const SOURCES = ["reconciler", "schemas", "package.json"];
const UNITS = "reconciler/agent/systemd";
const NOT_LOADED = ["*.d.ts", "*.d.mts", "*.d.cts", "*.map", "node_modules/*.md", "*.node"];
const FOLDER = "/usr/local/lib/setpoint";

/** Different whenever something that installAgent puts on a machine is. */
export function productKey(): string {
  return keyOf(readFileSync(import.meta.filename), digestOfFiles(ROOT, [...SOURCES, "package-lock.json"]), process.version);
}

/** Puts Setpoint on a machine and starts its agent, now and before Docker at each boot. */
export async function installAgent(host: VmHost): Promise<void> {
  const modules = join(realpathSync(join(ROOT, "node_modules")), "..");
  await host.unpack(
    [...NOT_LOADED.map((pattern) => `--exclude=${pattern}`), "-C", ROOT, ...SOURCES, "-C", modules, ...packagesOfProduct()],
    FOLDER,
  );
  await host.exec(["ln", "-s", `${FOLDER}/reconciler/setpoint`, "/usr/local/bin/setpoint"]);
  const unit = (name: string): string => readFileSync(join(ROOT, UNITS, name), "utf8");
  await host.write("/etc/systemd/system/setpoint-agent.service", unit("setpoint-agent.service"));
  await host.write("/etc/systemd/system/docker.service.d/setpoint.conf", unit("docker.service.d/setpoint.conf"));
  await host.write("/etc/docker/daemon.json", unit("daemon.json"));
  await host.exec(["systemctl", "daemon-reload"]);
  // The first start of all reads and compiles every file.
  await host.exec(["systemctl", "enable", "--now", "setpoint-agent"], { deadlineMs: 600_000 });
  await host.exec(["systemctl", "reload", "docker"]);
  await waitUntil(
    "the agent to answer",
    async () => {
      const { stdout } = await host.exec(["systemctl", "is-active", "setpoint-agent"], { anyExit: true });
      return stdout.trim() === "active";
    },
    { evidence: () => host.logTails() },
  );
}

/** Folders of the packages that the product needs at run time, by the lockfile; the machine has a Node already. */
function packagesOfProduct(): readonly string[] {
  interface Locked {
    readonly dev?: boolean;
    readonly devOptional?: boolean;
    readonly optional?: boolean;
  }
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as { packages: Record<string, Locked> };
  return Object.entries(packages)
    .filter(([path, { dev, devOptional, optional }]) => path !== "" && dev !== true && devOptional !== true && optional !== true)
    .map(([path]) => path)
    .filter((path) => path.lastIndexOf("node_modules/") === 0);
}
