/** A queue of things to fire by time; equal times fire in the order they were added. */
export interface TimerHeap {
  add(at: number, fire: () => void): Timer;
  /** The earliest timer that was not dropped; null when none is left. */
  peek(): Timer | null;
  /** Takes the earliest timer out. */
  pop(): Timer | null;
  size(): number;
}

export interface Timer {
  readonly at: number;
  readonly order: number;
  /** null: dropped. */
  fire: (() => void) | null;
}

export function createTimerHeap(): TimerHeap {
  const heap: Timer[] = [];
  let order = 0;
  const peek = (): Timer | null => {
    while (heap.length > 0 && heap[0]!.fire === null) takeFirst(heap);
    return heap[0] ?? null;
  };
  return {
    add(at, fire) {
      const timer: Timer = { at, order: order++, fire };
      insert(heap, timer);
      return timer;
    },
    peek,
    pop: () => (peek() === null ? null : takeFirst(heap)),
    size: () => heap.length,
  };
}

function earlier(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function insert(heap: Timer[], timer: Timer): void {
  let at = heap.length;
  heap.push(timer);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (earlier(heap[parent]!, timer)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = timer;
}

function takeFirst(heap: Timer[]): Timer {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && earlier(heap[child + 1]!, heap[child]!)) child++;
    if (earlier(last, heap[child]!)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
