import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * True when this host sends packets for the address straight to a Linux bridge of its own, as Docker's bridge networks have it: then
 * the address is the container's, and no other machine's. `proc` is /proc, `sys` /sys.
 */
export function isOnBridge(ip: string, { proc, sys }: { readonly proc: string; readonly sys: string }): boolean {
  const file = join(proc, "net/route");
  if (!existsSync(file)) return false;
  const address = ip.split(".").reduce((value, byte) => value * 256 + Number(byte), 0);
  let best = { mask: -1, device: "", gateway: "" };
  for (const line of readFileSync(file, "latin1").split("\n").slice(1)) {
    const [device, network, gateway, , , , , maskText] = line.trim().split(/\s+/);
    if (device === undefined || network === undefined || gateway === undefined || maskText === undefined) continue;
    const mask = littleEndian(maskText);
    if ((address & mask) >>> 0 === littleEndian(network) && mask > best.mask) best = { mask, device, gateway };
  }
  return best.mask >= 0 && littleEndian(best.gateway) === 0 && existsSync(join(sys, "class/net", best.device, "bridge"));
}

/** The kernel prints addresses in the byte order of the machine; all that run Node 24 on Linux and Docker here are little-endian. */
function littleEndian(hex: string): number {
  return Buffer.from(hex, "hex").readUInt32LE();
}
