import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expandHostRange, MAX_EXPANDED_HOSTS } from "../../reconciler/core/host-range.ts";

describe("names", () => {
  it.each([
    ["bj-a-001", ["bj-a-001"]],
    ["bj-a-[001-003]", ["bj-a-001", "bj-a-002", "bj-a-003"]],
    ["h[9-11]", ["h9", "h10", "h11"]],
    ["h[1-3,7]", ["h1", "h2", "h3", "h7"]],
    ["r[1-2]-h[01-02].dc", ["r1-h01.dc", "r1-h02.dc", "r2-h01.dc", "r2-h02.dc"]],
  ])("%s", (written, names) => {
    expect(expandHostRange(written)).toEqual({ kind: "names", names });
  });

  it("come in the number the range says, all of one width", () => {
    fc.assert(
      fc.property(fc.nat({ max: 999 }), fc.nat({ max: 999 }), (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const pad = (n: number): string => String(n).padStart(4, "0");
        const range = expandHostRange(`h[${pad(from)}-${pad(to)}]`);
        expect(range.kind === "names" && [range.names.length, range.names[0], range.names.at(-1)]).toEqual([
          to - from + 1,
          `h${pad(from)}`,
          `h${pad(to)}`,
        ]);
      }),
    );
  });
});

describe("problems", () => {
  it.each([
    ["h[1-3", "A `[` and its `]` must enclose numbers, as in `bj-a-[001-500]`; one of them is missing here."],
    ["h1-3]", "A `[` and its `]` must enclose numbers, as in `bj-a-[001-500]`; one of them is missing here."],
    ["h[]", "`[]` must hold numbers or ranges of numbers with commas, such as `[001-500]` or `[1-3,7]`."],
    ["h[a-c]", "`[a-c]` must hold numbers or ranges of numbers with commas, such as `[001-500]` or `[1-3,7]`."],
    [
      "h[01-100]",
      "The ends of `01-100` have different lengths; with leading zeros write both with equally many digits, such as `001-500`.",
    ],
    ["h[5-3]", "The range `5-3` runs backwards; write the smaller number first."],
    ["h[1-3,2]", "`h[1-3,2]` gives the name `h2` more than once."],
    ["H[1-2]", "`H1` is not a host name: use 1 to 63 lower-case letters, digits, `-` and `.`, with a letter or digit at both ends."],
    ["h[1-20000]", "`[1-20000]` stands for more than 10000 hosts; split it into several entries."],
    ["h[1-200][1-200]", "`h[1-200][1-200]` stands for more than 10000 hosts; split it into several entries."],
    ["h[0-999999999]", "`[0-999999999]` stands for more than 10000 hosts; split it into several entries."],
  ])("%s", (written, message) => {
    expect(expandHostRange(written)).toEqual({ kind: "problem", message });
  });

  it("any text gives names within the cap or a sentence", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9[\],-]{0,30}$/), (written) => {
        const range = expandHostRange(written);
        return range.kind === "problem" ? range.message.endsWith(".") : range.names.length <= MAX_EXPANDED_HOSTS && range.names.length > 0;
      }),
    );
  });
});
