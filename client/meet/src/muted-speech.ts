/** Notices that a muted person speaks, from the levels of their microphone. Pure; time is an argument. */

/** Linear, where 1 is full scale: about −28 dBov, louder than the keyboard of a quiet room. */
export const SPEECH_LEVEL_MIN = 0.04;
/** Levels of this time count together. */
const WINDOW_MS = 1_500;
/** Coughs and closing doors are shorter. */
const SPEECH_MS_MIN = 700;
/** A person who stays muted on purpose is not told all the time. */
export const QUIET_MS = 30_000;

interface Sample {
  readonly atMs: number;
  readonly forMs: number;
  readonly isLoud: boolean;
}

export class MutedSpeech {
  #samples: readonly Sample[] = [];
  #lastMs: number | null = null;
  #toldMs: number | null = null;

  /** Takes the current level; true if the person is to be told. */
  take(level: number, nowMs: number): boolean {
    const forMs = nowMs - (this.#lastMs ?? nowMs);
    this.#lastMs = nowMs;
    const recent = this.#samples.filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
    this.#samples = [...recent, { atMs: nowMs, forMs, isLoud: level >= SPEECH_LEVEL_MIN }];
    const loudMs = this.#samples.reduce((sum, sample) => sum + (sample.isLoud ? sample.forMs : 0), 0);
    const isDue = this.#toldMs === null || nowMs - this.#toldMs >= QUIET_MS;
    if (loudMs < SPEECH_MS_MIN || !isDue) {
      return false;
    }
    this.#toldMs = nowMs;
    return true;
  }
}
