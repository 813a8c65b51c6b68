/** When an uplink carries no picture beside the sound, the camera is not sent for a while. Pure; time is an argument. */

/** Sound with its repairs takes most of this, and the smallest picture is of use with the rest. */
export const VIDEO_BPS_MIN = 100_000;
/** An uplink that loses this much carries no picture either. */
export const LOST_PERCENT_MAX = 30;
/** It must be so for this long: an estimate begins low, and a burst is soon over. */
export const TOO_SLOW_FOR_MS = 5_000;
/** A picture is tried again after this, each time that fails twice as long. */
export const RETRY_MS_MIN = 15_000;
export const RETRY_MS_MAX = 120_000;
/** A picture that lasts this long is back. */
export const TRIED_FOR_MS = 10_000;

export interface UplinkRate {
  readonly atMs: number;
  /** What the browser estimates that it may send; `null` where it does not say. */
  readonly availableBps: number | null;
  readonly lostPercent: number | null;
  /** Whether a picture is sent, or would be. */
  readonly hasPicture: boolean;
}

type Stage =
  | { readonly at: "video"; readonly slowSinceMs: number | null }
  | { readonly at: "audio_only"; readonly untilMs: number }
  | { readonly at: "trying"; readonly sinceMs: number; readonly slowSinceMs: number | null };

/** `sends`: whether the picture may be sent; `isTold`: whether the user is told that it is not. */
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

  /** Takes a look; says whether the state is another one. */
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
