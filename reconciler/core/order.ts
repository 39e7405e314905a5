/**
 * Total orders. Text is compared by UTF-16 code unit (JavaScript's `<`), never by locale, so that a plan reads
 * the same on every machine.
 */
export function compareText(a: string, b: string): number {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}

/** Ascending; for finite numbers. */
export function compareNumbers(a: number, b: number): number {
  return a - b;
}

/** By Set, then by index as a number: web/2 before web/10. */
export function compareSlots(
  a: { readonly set: string; readonly index: number },
  b: { readonly set: string; readonly index: number },
): number {
  return compareText(a.set, b.set) || a.index - b.index;
}

/** By Set, index, generation: the order of Instances and of a Plan's changes. */
export function compareInstances(
  a: { readonly set: string; readonly index: number; readonly generation: number },
  b: { readonly set: string; readonly index: number; readonly generation: number },
): number {
  return compareSlots(a, b) || a.generation - b.generation;
}

/** A sorted copy. Items with equal keys keep their order, so make the key unique where the order must be total. */
export function sortedBy<Item>(items: Iterable<Item>, key: (item: Item) => string): Item[] {
  return [...items].sort((a, b) => compareText(key(a), key(b)));
}

/** Distinct texts in order. */
export function sortedUnique(texts: Iterable<string>): string[] {
  return [...new Set(texts)].sort(compareText);
}

/** The record with its keys in order, so that it prints and hashes the same however it was written; itself when they are. */
export function sortedRecord<Value>(record: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
  const keys = Object.keys(record);
  if (keys.every((key, index) => index === 0 || keys[index - 1]! <= key)) return record;
  return Object.fromEntries(keys.sort(compareText).map((key) => [key, record[key]!]));
}
