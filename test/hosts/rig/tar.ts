/** One entry of a tar archive. */
export type TarEntry = { readonly path: string; readonly mode?: number } & (
  | { readonly kind: "file"; readonly content: Uint8Array | string }
  | { readonly kind: "folder" }
  | { readonly kind: "link"; readonly target: string }
);

const BLOCK = 512;
const TYPES = { file: "0", link: "2", folder: "5" } as const;

/** A ustar archive; everything belongs to root and is from 1970, so that equal entries make equal bytes. */
export function tar(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = entry.kind === "file" ? Buffer.from(entry.content) : Buffer.alloc(0);
    return [header(entry, content.length), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header(entry: TarEntry, sizeBytes: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(entry.path) > 100) throw new Error(`${entry.path}: a name in a tar has at most 100 bytes`);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;
  block.write(entry.path, 0);
  block.write(octal(entry.mode ?? (entry.kind === "file" ? 0o644 : 0o755), 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(sizeBytes, 11), 124);
  block.write(octal(0, 11), 136);
  block.write("        ", 148);
  block.write(TYPES[entry.kind], 156);
  if (entry.kind === "link") block.write(entry.target, 157);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
