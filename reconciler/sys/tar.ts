const BLOCK_BYTES = 512;
const MAX_NAME_BYTES = 100;
const MAX_PREFIX_BYTES = 155;

/** What ends an archive. */
export const TAR_END: Uint8Array = Buffer.alloc(2 * BLOCK_BYTES);

/**
 * A regular file as a tar archive (ustar) holds it: owned by root, as old as 1970. `mode`: permissions. Throws a RangeError for a path that the
 * format has no room for.
 */
export function* tarFile(path: string, mode: number, content: Uint8Array): Iterable<Uint8Array> {
  yield header(path, mode, content.length);
  yield content;
  yield Buffer.alloc((BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES);
}

function header(path: string, mode: number, sizeBytes: number): Buffer {
  const { prefix, name } = splitPath(path);
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(name, 0);
  header.write(`${octal(mode, 7)}\0`, 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${octal(sizeBytes, 11)}\0`, 124);
  header.write("00000000000\0", 136);
  // The sum is taken with spaces in its own place.
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  header.write(prefix, 345);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148);
  return header;
}

function octal(value: number, digits: number): string {
  const text = value.toString(8).padStart(digits, "0");
  if (text.length > digits) throw new RangeError(`${value} has more than ${digits} octal digits`);
  return text;
}

/** A long path is kept in two parts, cut at a slash. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } {
  if (Buffer.byteLength(path) <= MAX_NAME_BYTES) return { prefix: "", name: path };
  for (let cut = path.indexOf("/"); cut !== -1; cut = path.indexOf("/", cut + 1)) {
    const [prefix, name] = [path.slice(0, cut), path.slice(cut + 1)];
    if (Buffer.byteLength(name) <= MAX_NAME_BYTES && Buffer.byteLength(prefix) <= MAX_PREFIX_BYTES) return { prefix, name };
  }
  throw new RangeError(`the path ${path} is too long for a tar archive`);
}
