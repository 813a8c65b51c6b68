/** Decides when to read the browser's statistics. Pure; time is an argument. */

/** Interval of the cheap checks: audio levels, and whether packets arrive. */
export const TICK_MS = 250;
/** How often the statistics are read normally; a report costs the browser about a millisecond. */
export const STATS_INTERVAL_MS = 1_000;
/** This long after the last packet, every tick reads them: long enough to tell a dead transport from silent participants. */
export const SUSPICION_MS = 3_000;

export interface Signs {
  readonly nowMs: number;
  /** Whether any receiver got a packet recently. */
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
