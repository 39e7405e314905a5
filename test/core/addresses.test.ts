import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as addresses from "../../reconciler/core/addresses.ts";

const address = fc.nat({ max: 2 ** 32 - 1 });

describe("addresses", () => {
  it("come back from their text", () => {
    fc.assert(fc.property(address, (value) => addresses.parseAddress(addresses.formatAddress(value)) === value));
  });

  it.each(["10.0.0", "10.0.0.256", "10.0.0.1.2", "0x0a.0.0.1", "10.0.0.01x", "::1", ""])("refuses %s", (text) => {
    expect(addresses.parseAddress(text)).toBeNull();
  });
});

describe("networks", () => {
  it("drop the bits behind the prefix and print what they are", () => {
    expect(addresses.formatCidr(addresses.parseCidr("10.1.2.3/20")!)).toBe("10.1.0.0/20");
    expect(addresses.formatAddressRange(addresses.usableRange(addresses.parseCidr("10.0.0.0/30")!))).toBe("10.0.0.1-10.0.0.2");
    expect(addresses.formatAddressRange(addresses.usableRange(addresses.parseCidr("10.0.0.4/31")!))).toBe("10.0.0.4-10.0.0.5");
    expect(addresses.countAddresses([addresses.parseCidr("0.0.0.0/0")!])).toBe(2 ** 32);
  });

  it.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "/8", "10.0.0.0/8/8"])("refuses %s", (text) => {
    expect(addresses.parseCidr(text)).toBeNull();
  });

  it("refuses ranges that run backwards or have three ends", () => {
    expect(addresses.parseAddressRange("10.0.0.9-10.0.0.1")).toBeNull();
    expect(addresses.parseAddressRange("10.0.0.1-10.0.0.2-10.0.0.3")).toBeNull();
    expect(addresses.parseAddressRange("10.0.0.7")).toEqual({ first: 167772167, last: 167772167 });
  });
});

describe("leasable addresses", () => {
  const cidr = addresses.parseCidr("10.0.0.0/26")!;
  const inside = fc.integer({ min: cidr.first - 4, max: cidr.last + 4 });
  const range = fc.tuple(inside, inside).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));

  it("are exactly the usable ones that are neither the gateway nor reserved", () => {
    fc.assert(
      fc.property(inside, fc.array(range, { maxLength: 5 }), (gateway, reserved) => {
        const free = addresses.leasableRanges(cidr, gateway, reserved);
        const expected: number[] = [];
        for (let value = cidr.first + 1; value < cidr.last; value++) {
          if (value !== gateway && !reserved.some((range) => addresses.containsAddress(range, value))) expected.push(value);
        }
        const listed = free.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index));
        expect(listed).toEqual(expected);
        expect(addresses.countAddresses(free)).toBe(expected.length);
      }),
    );
  });
});
