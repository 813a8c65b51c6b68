/** Detects speakers: participants who are loud now or were a moment ago. Pure; time is an argument. */
import type { ParticipantId } from "./protocol.gen";

/** Linear, where 1 is full scale: about −34 dBov (RFC 6464), above the noise of a quiet room. */
export const SPEAKING_LEVEL_MIN = 0.02;
/** Pauses between words are shorter than this. */
export const SPEAKING_HOLD_MS = 600;

/** Remembers when each participant was last loud. */
export class Speaking {
  readonly #loudAtMs = new Map<ParticipantId, number>();

  /** Takes the current levels; returns the speakers, most recent first. */
  take(levels: ReadonlyMap<ParticipantId, number>, nowMs: number): ParticipantId[] {
    for (const [participant, level] of levels) {
      if (level >= SPEAKING_LEVEL_MIN) {
        this.#loudAtMs.set(participant, nowMs);
      }
    }
    for (const [participant, atMs] of this.#loudAtMs) {
      if (nowMs - atMs > SPEAKING_HOLD_MS) {
        this.#loudAtMs.delete(participant);
      }
    }
    return [...this.#loudAtMs].sort(([, a], [, b]) => b - a).map(([participant]) => participant);
  }
}
