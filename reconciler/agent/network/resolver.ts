import { readFileSync } from "node:fs";
import type { Resolver } from "../ports.ts";

/** Where the addresses behind a local forwarder are listed. */
const FILES = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/** How the host resolves names, as far as an Instance can do so too; null where its only servers are on the host's own loopback. */
export function readResolver(read: (path: string) => string = (path) => readFileSync(path, "utf8")): Resolver | null {
  const texts = FILES.map((path) => readOrEmpty(read, path));
  const found = texts.map(parse).find(({ nameservers }) => nameservers.length > 0);
  if (found !== undefined) return found;
  return texts.some((text) => /^nameserver\s/m.test(text)) ? null : { nameservers: [], search: [], options: [] };
}

function readOrEmpty(read: (path: string) => string, path: string): string {
  try {
    return read(path);
  } catch {
    return "";
  }
}

/** IPv4 only, as Instances have no other address; at most three, as the resolver reads no more. */
function parse(text: string): Resolver {
  const servers = [...text.matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].map((match) => match[1]!);
  const nameservers = servers.filter((address) => !address.startsWith("127.")).slice(0, 3);
  // Of several lines the last one counts.
  const words = (keyword: string): string[] => {
    const lines = [...text.matchAll(new RegExp(`^${keyword}\\s+(.*)$`, "gm"))];
    return (lines.at(-1)?.[1] ?? "").split(/\s+/).filter((word) => word !== "" && word !== ".");
  };
  return { nameservers, search: words("(?:search|domain)"), options: words("options") };
}
