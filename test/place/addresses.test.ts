import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddress, parseAddress } from "../../reconciler/core/addresses.ts";
import { createAddressPool, freeAddress, freeAddressCount, holdAddress, takeAddress } from "../../reconciler/plan/place/addresses.ts";

const NETWORK = { cidr: "10.0.0.0/28", gateway: "10.0.0.1", vlan: null, reserved: ["10.0.0.4-10.0.0.6", "10.0.0.9"] };

test("leases the lowest free address, without network, gateway, reserved and broadcast addresses", () => {
  const pool = createAddressPool(NETWORK);
  expect(freeAddressCount(pool)).toBe(9);
  const taken = Array.from({ length: 10 }, (_, slot) => takeAddress(pool, `web/${slot}`, null));
  expect(taken).toEqual([...[2, 3, 7, 8, 10, 11, 12, 13, 14].map((last) => `10.0.0.${last}`), null]);
  expect(freeAddressCount(pool)).toBe(0);
  freeAddress(pool, "10.0.0.8", "web/3");
  freeAddress(pool, "10.0.0.3", "web/1");
  expect(takeAddress(pool, "db/0", null)).toBe("10.0.0.3");
});

test("gives the preferred address when it is free or the slot's own", () => {
  const pool = createAddressPool(NETWORK);
  expect(takeAddress(pool, "web/0", "10.0.0.12")).toBe("10.0.0.12");
  expect(takeAddress(pool, "web/0", "10.0.0.12")).toBe("10.0.0.12");
  expect(takeAddress(pool, "web/1", "10.0.0.12")).toBe("10.0.0.2");
  expect(takeAddress(pool, "web/2", "10.0.0.9")).toBe("10.0.0.3");
  expect(takeAddress(pool, "web/3", "10.9.9.9")).toBe("10.0.0.7");
  expect(takeAddress(pool, "web/4", "not an address")).toBe("10.0.0.8");
});

test("an address is free again when its last holder lets go, whoever that is", () => {
  const pool = createAddressPool(NETWORK);
  holdAddress([pool], "10.0.0.2", "web/0");
  holdAddress([pool], "10.0.0.2", "web/0");
  holdAddress([pool], "10.0.0.2", "db/0");
  freeAddress(pool, "10.0.0.2", "web/0");
  freeAddress(pool, "10.0.0.2", "api/0");
  freeAddress(pool, "10.0.0.2", "db/0");
  expect(takeAddress(pool, "api/1", null)).toBe("10.0.0.3");
  freeAddress(pool, "10.0.0.2", "web/0");
  expect(takeAddress(pool, "api/2", null)).toBe("10.0.0.2");
});

test("a reserved address that a slot already has stays its own and is never leased after", () => {
  const pool = createAddressPool(NETWORK);
  holdAddress([pool], "10.0.0.5", "web/0");
  holdAddress([pool], "192.168.0.1", "web/1");
  expect(freeAddressCount(pool)).toBe(9);
  freeAddress(pool, "10.0.0.5", "web/0");
  expect(freeAddressCount(pool)).toBe(9);
  expect(takeAddress(pool, "web/2", "10.0.0.5")).toBe("10.0.0.2");
});

test("refuses a network that validation would have refused", () => {
  expect(() => createAddressPool({ ...NETWORK, cidr: "10.0.0.0" })).toThrow("malformed network 10.0.0.0");
});

test("agrees with a plain table through any history, and the order of holds does not matter", () => {
  const slot = fc.constantFrom("a/0", "b/0", "c/0");
  const address = fc.integer({ min: 0, max: 15 }).map((last) => `10.0.0.${last}`);
  const step = fc.record({ kind: fc.constantFrom("take", "hold", "free"), slot, address, prefers: fc.boolean() });
  const leasable = [2, 3, 7, 8, 10, 11, 12, 13, 14].map((last) => `10.0.0.${last}`);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const pool = createAddressPool(NETWORK);
      let holds: { address: string; slot: string }[] = [];
      for (const { kind, slot, address, prefers } of steps) {
        if (kind === "take") {
          const others = (wanted: string): boolean => holds.some((hold) => hold.address === wanted && hold.slot !== slot);
          const lowest = leasable.find((wanted) => holds.every((hold) => hold.address !== wanted)) ?? null;
          const expected = prefers && leasable.includes(address) && !others(address) ? address : lowest;
          expect(takeAddress(pool, slot, prefers ? address : null)).toBe(expected);
          if (expected !== null) holds.push({ address: expected, slot });
        } else if (kind === "hold") {
          holdAddress([pool], address, slot);
          holds.push({ address, slot });
        } else {
          freeAddress(pool, address, slot);
          const at = holds.findLastIndex((hold) => hold.address === address && hold.slot === slot);
          holds = holds.filter((_, number) => number !== at);
        }
      }
      expect(freeAddressCount(pool)).toBe(leasable.filter((free) => holds.every((hold) => hold.address !== free)).length);
      const again = createAddressPool(NETWORK);
      for (const hold of holds.toReversed()) holdAddress([again], hold.address, hold.slot);
      expect(takeAddress(again, "z/0", null)).toBe(takeAddress(pool, "z/0", null));
    }),
  );
});

test("a /15 is leased to its last address, lowest first", () => {
  const pool = createAddressPool({ cidr: "10.0.0.0/15", gateway: "10.0.0.1", reserved: [] });
  const first = parseAddress("10.0.0.2")!;
  const count = 131_072 - 3;
  expect(freeAddressCount(pool)).toBe(count);
  for (let slot = 0; slot < count; slot++) {
    if (takeAddress(pool, "web/0", null) !== formatAddress(first + slot)) throw new Error(`slot ${slot} did not get the next address`);
  }
  expect(takeAddress(pool, "web/0", null)).toBeNull();
});
