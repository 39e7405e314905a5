import { expect, test } from "vitest";
import * as fc from "fast-check";
import { test as propertyTest } from "@fast-check/vitest";
import { formatCpuList, parseCpuList } from "../../reconciler/core/cpu-list.ts";

propertyTest.prop([fc.uniqueArray(fc.nat(200), { minLength: 1 })])("a list of CPUs is read as it is written", (numbers) => {
  const cpus = numbers.toSorted((a, b) => a - b);
  expect(parseCpuList(formatCpuList(cpus))).toEqual(cpus);
  expect(parseCpuList(numbers.join(","))).toEqual(cpus);
});

test.each(["", "1-", "-1", "a", "1,,2", "3-1", "4096", "1;2", "1.5"])("'%s' is no list", (text) => expect(parseCpuList(text)).toBeNull());

test("neighbours are written as a range", () => expect(formatCpuList([0, 1, 2, 4, 6, 7])).toBe("0-2,4,6-7"));
