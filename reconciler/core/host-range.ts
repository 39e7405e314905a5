/** Most hosts one written name may stand for. */
export const MAX_EXPANDED_HOSTS = 10_000;

export type HostRange =
  | { readonly kind: "names"; readonly names: readonly string[] }
  /** What is wrong and what is allowed, a sentence. */
  | { readonly kind: "problem"; readonly message: string };

const HOST_NAME = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;

/**
 * The host names a written name stands for, in the order written: `bj-a-[001-003]` → bj-a-001, bj-a-002, bj-a-003.
 * A bracket holds numbers and ranges with commas (`[1-3,7]`); a name may have several, the last one runs fastest.
 * Leading zeros are kept: both ends of a range then need equally many digits.
 */
export function expandHostRange(written: string): HostRange {
  const parts: (readonly string[])[] = [];
  let total = 1;
  for (const token of tokens(written)) {
    const part = token.bracket ? expandBracket(token.text) : literal(token.text);
    if (typeof part === "string") return { kind: "problem", message: part };
    total *= part.length;
    if (total > MAX_EXPANDED_HOSTS) return { kind: "problem", message: tooMany(written) };
    parts.push(part);
  }
  return checked(written, combinations(parts));
}

/** Split at brackets: `a-[1-2]-b` → `a-`, bracket `1-2`, `-b`. A bracket without its partner stays in the literal. */
function* tokens(written: string): Generator<{ readonly text: string; readonly bracket: boolean }> {
  const bracket = /\[([^[\]]*)\]/g;
  let end = 0;
  for (const match of written.matchAll(bracket)) {
    yield { text: written.slice(end, match.index), bracket: false };
    yield { text: match[1]!, bracket: true };
    end = match.index + match[0].length;
  }
  yield { text: written.slice(end), bracket: false };
}

/** A problem as text, or the one value of a literal part. */
function literal(text: string): readonly string[] | string {
  return /[[\]]/.test(text) ? "A `[` and its `]` must enclose numbers, as in `bj-a-[001-500]`; one of them is missing here." : [text];
}

/** A problem as text, or the values of `1-3,7` in order. */
function expandBracket(text: string): readonly string[] | string {
  const values: string[] = [];
  for (const item of text.split(",")) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(item.trim());
    if (match === null) return `\`[${text}]\` must hold numbers or ranges of numbers with commas, such as \`[001-500]\` or \`[1-3,7]\`.`;
    const from = match[1]!;
    const to = match[2] ?? from;
    const padded = /^0\d/.test(from) || /^0\d/.test(to);
    if (padded && from.length !== to.length) {
      return `The ends of \`${item.trim()}\` have different lengths; with leading zeros write both with equally many digits, such as \`001-500\`.`;
    }
    if (Number(from) > Number(to)) return `The range \`${item.trim()}\` runs backwards; write the smaller number first.`;
    if (values.length + Number(to) - Number(from) >= MAX_EXPANDED_HOSTS) return tooMany(`[${text}]`);
    for (let number = Number(from); number <= Number(to); number++) values.push(String(number).padStart(padded ? from.length : 1, "0"));
  }
  return values;
}

/** Every choice of one value per part, joined; the last part runs fastest. */
function combinations(parts: readonly (readonly string[])[]): string[] {
  let names = [""];
  for (const part of parts) names = names.flatMap((prefix) => part.map((value) => prefix + value));
  return names;
}

function checked(written: string, names: readonly string[]): HostRange {
  const seen = new Set<string>();
  for (const name of names) {
    if (!HOST_NAME.test(name)) {
      const message = `\`${name}\` is not a host name: use 1 to 63 lower-case letters, digits, \`-\` and \`.\`, with a letter or digit at both ends.`;
      return { kind: "problem", message };
    }
    if (seen.has(name)) return { kind: "problem", message: `\`${written}\` gives the name \`${name}\` more than once.` };
    seen.add(name);
  }
  return { kind: "names", names };
}

function tooMany(written: string): string {
  return `\`${written}\` stands for more than ${MAX_EXPANDED_HOSTS} hosts; split it into several entries.`;
}
