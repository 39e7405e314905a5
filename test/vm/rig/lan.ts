import { createServer, type AddressInfo, type Socket } from "node:net";

/** An Ethernet segment between machines: a hub in this process, in QEMU's framing for sockets (length in 4 bytes, then the frame). */
export interface Lan {
  /** What a network card is connected to, as QEMU takes it. */
  readonly backend: string;
  close(): Promise<void>;
}

/** A card that does not keep up loses frames, as on any hub. */
const MAX_WAITING_BYTES = 1024 * 1024;

export async function openLan(): Promise<Lan> {
  const cards = new Set<Socket>();
  const server = createServer((card) => {
    cards.add(card);
    const pending: { bytes: Buffer } = { bytes: Buffer.alloc(0) };
    card.setNoDelay(true);
    card.on("error", () => {});
    card.on("close", () => cards.delete(card));
    card.on("data", (chunk: Buffer) => {
      const bytes = pending.bytes.length === 0 ? chunk : Buffer.concat([pending.bytes, chunk]);
      const whole = endOfFrames(bytes);
      pending.bytes = bytes.subarray(whole);
      if (whole === 0) return;
      for (const other of cards) if (other !== card && other.writableLength < MAX_WAITING_BYTES) other.write(bytes.subarray(0, whole));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    backend: `socket,connect=127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      for (const card of cards) card.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** How many of these bytes are whole frames. */
function endOfFrames(bytes: Buffer): number {
  let at = 0;
  while (bytes.length - at >= 4 && bytes.length - at >= 4 + bytes.readUInt32BE(at)) at += 4 + bytes.readUInt32BE(at);
  return at;
}
