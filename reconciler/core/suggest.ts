import { compareText } from "./order.ts";

/** The allowed word a misspelt one most likely stands for; null when none is near. */
export function suggest(wrong: string, allowed: Iterable<string>): string | null {
  const limit = Math.max(wrong.length > 1 ? 1 : 0, Math.floor(wrong.length / 3));
  let best: { word: string; distance: number } | null = null;
  for (const word of allowed) {
    if (Math.abs(word.length - wrong.length) > limit) continue;
    const distance = editDistance(wrong.toLowerCase(), word.toLowerCase());
    if (distance > limit) continue;
    if (best === null || distance < best.distance || (distance === best.distance && compareText(word, best.word) < 0)) {
      best = { word, distance };
    }
  }
  return best?.word ?? null;
}

/** Insertions, deletions, substitutions and swaps of neighbours between two texts (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, beforeLast[column - 2]! + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
}
