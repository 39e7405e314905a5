import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INSTALLATION } from "../../../reconciler/io/install/release.ts";
import { run } from "../../hosts/rig/process.ts";
import { digestOfFiles, keyOf } from "./cache.ts";
import type { VmHost } from "./host.ts";

const INSTALL_WITHIN_MS = 900_000;

/** Different whenever something that installAgent puts on a machine is. */
export function productKey(): string {
  const sources = ["reconciler", "schemas", "manifests-example", "package.json", "package-lock.json"];
  return keyOf(readFileSync(import.meta.filename), digestOfFiles(INSTALLATION, sources), process.version);
}

/** Puts Setpoint on a machine and starts its agent, now and before Docker at each boot, as a user does. */
export async function installAgent(host: VmHost): Promise<void> {
  await host.write("/etc/docker/daemon.json", readFileSync(join(INSTALLATION, "reconciler/agent/systemd/daemon.json")));
  await host.exec(["systemctl", "reload", "docker"]);
  const { path, alias } = host.sshOfUser();
  const command = [
    join(INSTALLATION, "reconciler/setpoint"),
    "host",
    "add",
    `ssh://${alias}`,
    "--timeout",
    `${INSTALL_WITHIN_MS / 60_000}m`,
  ];
  try {
    await run(command, { env: { PATH: path, HOME: tmpdir() }, deadlineMs: INSTALL_WITHIN_MS });
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${host.logTails()}`, { cause: error });
  }
}
