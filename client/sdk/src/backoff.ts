/** Exponential, bounded back-off with full jitter. */

/** The first span; it also spreads reconnecting clients after a room's object has restarted. */
export const BACKOFF_BASE_MS = 250;
export const BACKOFF_MAX_MS = 8_000;

/** The wait after the given number of failures in a row; `random` is in [0, 1). */
export function backoffMs(failures: number, random: number): number {
  const span = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(failures, 16));
  return Math.floor(span * random);
}

/** A random number in [0, 1) and the seed of the next one (mulberry32). */
export function random(seed: number): [value: number, seed: number] {
  const next = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(next ^ (next >>> 15), next | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return [((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32, next];
}
