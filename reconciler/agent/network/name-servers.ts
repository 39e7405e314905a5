import { readFileSync } from "node:fs";

/** Where the addresses behind a local forwarder are listed. */
const FILES = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/** The host's name servers that an Instance can reach too; empty when there is none but the host's own loopback. */
export function readNameservers(read: (path: string) => string = (path) => readFileSync(path, "utf8")): readonly string[] {
  for (const file of FILES) {
    const found = parseNameservers(readOrEmpty(read, file));
    if (found.length > 0) return found;
  }
  return [];
}

function readOrEmpty(read: (path: string) => string, path: string): string {
  try {
    return read(path);
  } catch {
    return "";
  }
}

/** IPv4 only, as Instances have no other address; at most three, as the resolver reads no more. */
function parseNameservers(text: string): string[] {
  const found = [...text.matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].map((match) => match[1]!);
  return found.filter((address) => !address.startsWith("127.")).slice(0, 3);
}
