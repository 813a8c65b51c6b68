/** Decides how long video waits for retransmissions before it is shown. Pure; time is an argument. */
import type { ReceivedStream, StatsLook } from "./participant-stats";

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
/** Browsers release frames this much early, to decode and display them in time. */
export const EARLY_MS_MAX = 40;
/** Most of the wait that a browser's outdated notion of the delay may take. */
export const SHORTFALL_MS_MAX = 250;

interface Known {
  readonly stream: ReceivedStream;
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
    for (const stream of streams.filter(({ lines }) => lines !== null)) {
      const before = this.#known.get(stream.track) ?? { stream, lossyUntilMs: 0, waitMs: null };
      const isLossy = elapsedMs > 0 && (stream.nacks - before.stream.nacks) * 1_000 >= REQUESTS_PER_S_MIN * elapsedMs;
      const lossyUntilMs = isLossy ? atMs + HOLDS_MS : before.lossyUntilMs;
      known.set(stream.track, { stream, lossyUntilMs, waitMs: wait(atMs < lossyUntilMs ? rttMs : 0, before, stream) });
    }
    this.#known = known;
    return new Map([...known].map(([track, { waitMs }]) => [track, waitMs]));
  }
}

function wait(rttMs: number | null, before: Known, stream: ReceivedStream): number | null {
  if (rttMs === null) {
    return before.waitMs;
  }
  if (rttMs < ROUND_TRIP_MS_MIN) {
    return null;
  }
  const waitMs = Math.min(WAIT_MS_MAX, rttMs + MARGIN_MS) + shortfall(before, stream);
  return before.waitMs !== null && Math.abs(waitMs - before.waitMs) < CHANGE_MS_MIN ? before.waitMs : waitMs;
}

/**
 * The part of the wait that frames did not spend in the buffer. libwebrtc counts it from the time at which it expects a
 * frame, and after the path has become longer it expects frames too early until 150 of them came without retransmissions
 * (`TimestampExtrapolator`).
 */
function shortfall({ waitMs, stream: before }: Known, { bufferedMs, released }: ReceivedStream): number {
  const frames = released - before.released;
  if (waitMs === null || frames <= 0) {
    return 0;
  }
  const missingMs = waitMs - (bufferedMs - before.bufferedMs) / frames;
  return missingMs <= EARLY_MS_MAX ? 0 : Math.min(SHORTFALL_MS_MAX, Math.round(missingMs));
}
