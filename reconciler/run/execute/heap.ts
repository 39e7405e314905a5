/** A binary heap: the least item first. `compare` must be a total order for the result to be the same every time. */
export interface Heap<Item> {
  readonly size: number;
  peek(): Item | undefined;
  push(item: Item): void;
  pop(): Item | undefined;
}

/** An empty heap ordered by `compare`. */
export function createHeap<Item>(compare: (a: Item, b: Item) => number): Heap<Item> {
  const items: Item[] = [];
  return {
    get size() {
      return items.length;
    },
    peek: () => items[0],
    push(item) {
      items.push(item);
      siftUp(items, compare);
    },
    pop() {
      const first = items[0];
      const last = items.pop();
      if (items.length > 0) {
        items[0] = last as Item;
        siftDown(items, compare);
      }
      return first;
    },
  };
}

/** Moves the last item up to its place. */
function siftUp<Item>(items: Item[], compare: (a: Item, b: Item) => number): void {
  let at = items.length - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (compare(items[at]!, items[parent]!) >= 0) return;
    swap(items, at, parent);
    at = parent;
  }
}

/** Moves the first item down to its place. */
function siftDown<Item>(items: Item[], compare: (a: Item, b: Item) => number): void {
  let at = 0;
  for (;;) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < items.length && compare(items[child]!, items[least]!) < 0) least = child;
    }
    if (least === at) return;
    swap(items, at, least);
    at = least;
  }
}

function swap(items: unknown[], a: number, b: number): void {
  const held = items[a];
  items[a] = items[b];
  items[b] = held;
}
