/** Decides when to read the browser's statistics. Pure; time is an argument. */

/** Interval of the cheap checks: audio levels, and whether packets arrive. */
export const TICK_MS = 250;
/** Normal interval of reading the statistics; a report costs the browser about a millisecond. */
export const STATS_INTERVAL_MS = 1_000;
/**
 * Every tick reads them for this long after the last packet: enough to distinguish a dead transport from silent
 * participants.
 */
export const SUSPICION_MS = 3_000;

export interface Signs {
  readonly nowMs: number;
  /** True if any receiver got a packet recently. */
  readonly arrives: boolean;
  readonly isAlive: boolean;
}

export class Cadence {
  #readAtMs = -Infinity;
  #arrivedAtMs = -Infinity;

  isDue({ nowMs, arrives, isAlive }: Signs): boolean {
    if (arrives) {
      this.#arrivedAtMs = nowMs;
    }
    const isSuspicious = !arrives && nowMs - this.#arrivedAtMs < SUSPICION_MS;
    // Timers are late by some milliseconds and never early by more than one.
    const isTime = nowMs - this.#readAtMs > STATS_INTERVAL_MS - TICK_MS / 2;
    if (isTime || isSuspicious || !isAlive) {
      this.#readAtMs = nowMs;
      return true;
    }
    return false;
  }
}
