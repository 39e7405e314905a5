/** A seeded source of chance: the same seed gives the same numbers in the same order. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Uniform integer in [low, high], both included. */
  integer(low: number, high: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** One element; the list must not be empty. */
  pick<T>(list: readonly T[]): T;
  /** An independent source derived from this seed and a name, so that one part's draws do not shift another's. */
  fork(name: string): Random;
}

/** Small fast generator (sfc32) seeded by a string; good enough for simulation, not for secrets. */
export function createRandom(seed: string | number): Random {
  const text = String(seed);
  const state = Uint32Array.of(hashText(text, 1), hashText(text, 2), hashText(text, 3), 1);
  const next = (): number => step(state) / 4_294_967_296;
  for (let warmup = 0; warmup < 12; warmup++) next();
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    integer: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (probability) => next() < probability,
    pick: (list) => list[Math.floor(next() * list.length)]!,
    fork: (name) => createRandom(`${text}/${name}`),
  };
}

/** A number in [0, 1) that depends on the text alone: for traits such as an image's size. */
export function traitOf(text: string): number {
  return hashText(text, 7) / 4_294_967_296;
}

function step(state: Uint32Array): number {
  const sum = (state[0]! + state[1]! + state[3]!) >>> 0;
  state[3] = state[3]! + 1;
  state[0] = state[1]! ^ (state[1]! >>> 9);
  state[1] = state[2]! + (state[2]! << 3);
  state[2] = ((state[2]! << 21) | (state[2]! >>> 11)) + sum;
  return sum;
}

/** FNV-1a with a final mix; 32 bits. */
function hashText(text: string, salt: number): number {
  let hash = 2_166_136_261 ^ Math.imul(salt, 2_654_435_761);
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 16_777_619);
  hash = Math.imul(hash ^ (hash >>> 16), 2_246_822_507);
  return (hash ^ (hash >>> 13)) >>> 0;
}
