/** Decides how long video waits for retransmissions before it is shown. Pure; time is an argument. */
import type { StatsLook } from "./participant-stats";

/** With a shorter round trip, retransmissions arrive before a pause is visible. */
export const ROUND_TRIP_MS_MIN = 60;
/** Requests per second from which on waiting costs less than what it avoids. */
export const REQUESTS_PER_S_MIN = 1;
/** The wait lasts this long after the last second with so many requests. */
export const HOLDS_MS = 10_000;
/** Besides the round trip: until the loss is noticed, and until the frame is decoded. */
export const MARGIN_MS = 100;
/** Longer waits hinder conversation more than a picture that pauses. */
export const WAIT_MS_MAX = 500;
/** Smaller changes have no visible effect. */
export const CHANGE_MS_MIN = 20;

interface Known {
  readonly nacks: number;
  readonly lossyUntilMs: number;
  /** `null`: the browser decides alone. */
  readonly waitMs: number | null;
}

/**
 * A browser that sends nothing does not know the round trip of its media, so its jitter buffer does not account for
 * retransmissions.
 */
export class Playout {
  #atMs: number | null = null;
  #known = new Map<string, Known>();

  /** Takes a sample; returns the wait of each video track, by the browser's id. */
  take({ atMs, rttMs, streams }: Pick<StatsLook, "atMs" | "rttMs" | "streams">): Map<string, number | null> {
    const elapsedMs = this.#atMs === null ? 0 : atMs - this.#atMs;
    this.#atMs = atMs;
    const known = new Map<string, Known>();
    for (const { track, nacks } of streams.filter(({ lines }) => lines !== null)) {
      const before = this.#known.get(track) ?? { nacks, lossyUntilMs: 0, waitMs: null };
      const isLossy = elapsedMs > 0 && (nacks - before.nacks) * 1_000 >= REQUESTS_PER_S_MIN * elapsedMs;
      const lossyUntilMs = isLossy ? atMs + HOLDS_MS : before.lossyUntilMs;
      known.set(track, { nacks, lossyUntilMs, waitMs: wait(atMs < lossyUntilMs ? rttMs : 0, before.waitMs) });
    }
    this.#known = known;
    return new Map([...known].map(([track, { waitMs }]) => [track, waitMs]));
  }
}

function wait(rttMs: number | null, before: number | null): number | null {
  if (rttMs === null) {
    return before;
  }
  if (rttMs < ROUND_TRIP_MS_MIN) {
    return null;
  }
  const waitMs = Math.min(WAIT_MS_MAX, rttMs + MARGIN_MS);
  return before !== null && Math.abs(waitMs - before) < CHANGE_MS_MIN ? before : waitMs;
}
