/**
 * Remembers, per key object, the last result and the inputs it came from: equal inputs (by identity) give the same object
 * back without computing. What nobody holds any more is forgotten.
 */
export function createMemo<Key extends object, Inputs extends readonly unknown[], Result>(
  compute: (key: Key, ...inputs: Inputs) => Result,
): (key: Key, ...inputs: Inputs) => Result {
  const entries = new WeakMap<Key, { readonly inputs: Inputs; readonly result: Result }>();
  return (key, ...inputs) => {
    const known = entries.get(key);
    if (known !== undefined && sameItems(known.inputs, inputs)) return known.result;
    const result = compute(key, ...inputs);
    entries.set(key, { inputs, result });
    return result;
  };
}

/** Remembers the last list and its result: a list of the same items (by identity) gives the same object back. */
export function createListMemo<Item, Result>(compute: (items: readonly Item[]) => Result): (items: readonly Item[]) => Result {
  let known: { readonly items: readonly Item[]; readonly result: Result } | null = null;
  return (items) => {
    if (known === null || !sameItems(known.items, items)) known = { items, result: compute(items) };
    return known.result;
  };
}

/** Same length, and identical item by item. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
