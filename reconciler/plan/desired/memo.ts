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

/**
 * Array.map that remembers its last call: an item that stood at the same place under the same context keeps its result
 * unseen, and when all did the same array comes back.
 */
export function createMap<Item, Context, Result>(
  compute: (item: Item, context: Context) => Result,
): (items: readonly Item[], context: Context) => readonly Result[] {
  let last: { readonly items: readonly Item[]; readonly context: Context; readonly results: readonly Result[] } | null = null;
  return (items, context) => {
    if (last === null || last.context !== context) {
      last = { items, context, results: items.map((item) => compute(item, context)) };
    } else if (!sameItems(last.items, items)) {
      const { items: before, results } = last;
      last = { items, context, results: items.map((item, index) => (item === before[index] ? results[index]! : compute(item, context))) };
    }
    return last.results;
  };
}

/** Same length, and identical item by item. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
