/** Pauses the camera while the uplink is too slow for video. Pure; time is an argument. */

/** Audio with its repairs takes most of this; the rest suffices for the smallest useful video. */
export const VIDEO_BPS_MIN = 100_000;
/** An uplink with this much loss is too bad for video as well. */
export const LOST_PERCENT_MAX = 30;
/** Minimum duration of the condition: estimates start low, and bursts are short. */
export const TOO_SLOW_FOR_MS = 5_000;
/** Pause before video is retried; doubles with each failure. */
export const RETRY_MS_MIN = 15_000;
export const RETRY_MS_MAX = 120_000;
/** Video that lasts this long counts as recovered. */
export const TRIED_FOR_MS = 10_000;

export interface UplinkRate {
  readonly atMs: number;
  /** The browser's estimate of its send rate; `null` if unavailable. */
  readonly availableBps: number | null;
  readonly lostPercent: number | null;
  /** True if video is sent, or would be without the pause. */
  readonly hasPicture: boolean;
}

type Stage =
  | { readonly at: "video"; readonly slowSinceMs: number | null }
  | { readonly at: "audio_only"; readonly untilMs: number }
  | { readonly at: "trying"; readonly sinceMs: number; readonly slowSinceMs: number | null };

/** `sends`: true if video may be sent; `isTold`: true if the user is notified of the pause. */
export interface AudioOnlyState {
  readonly sends: boolean;
  readonly isTold: boolean;
}

export class AudioOnly {
  #stage: Stage = { at: "video", slowSinceMs: null };
  #retryMs = RETRY_MS_MIN;

  get state(): AudioOnlyState {
    return { sends: this.#stage.at !== "audio_only", isTold: this.#stage.at !== "video" };
  }

  /** Takes a sample; returns true if the state has changed. */
  take(look: UplinkRate): boolean {
    const before = this.state;
    this.#stage = this.#next(this.#stage, look);
    const { sends, isTold } = this.state;
    return sends !== before.sends || isTold !== before.isTold;
  }

  #next(stage: Stage, { atMs, availableBps, lostPercent, hasPicture }: UplinkRate): Stage {
    if (!hasPicture) {
      this.#retryMs = RETRY_MS_MIN;
      return { at: "video", slowSinceMs: null };
    }
    if (stage.at === "audio_only") {
      return atMs >= stage.untilMs ? { at: "trying", sinceMs: atMs, slowSinceMs: null } : stage;
    }
    const isSlow = (availableBps ?? Infinity) < VIDEO_BPS_MIN || (lostPercent ?? 0) > LOST_PERCENT_MAX;
    const slowSinceMs = isSlow ? (stage.slowSinceMs ?? atMs) : null;
    if (slowSinceMs !== null && atMs - slowSinceMs >= TOO_SLOW_FOR_MS) {
      const untilMs = atMs + this.#retryMs;
      this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
      return { at: "audio_only", untilMs };
    }
    if (stage.at === "trying" && atMs - stage.sinceMs >= TRIED_FOR_MS && !isSlow) {
      this.#retryMs = RETRY_MS_MIN;
      return { at: "video", slowSinceMs };
    }
    return { ...stage, slowSinceMs };
  }
}
