/** What the statistics of the uplink lead to: how much of the camera is sent, and what the user is told. Pure; time is an argument. */
import { AudioOnly } from "./audio-only";
import type { CameraLimit, Profile, QualityWarning } from "./profile";
import { ProfileController } from "./profile";

export interface UplinkCounters {
  readonly atMs: number;
  readonly rttMs: number | null;
  /** The worst of what is sent (0 to 1), as the node said last. */
  readonly sentLost: number | null;
  readonly availableBps: number | null;
}

/** What is different since the last look; what is not is left out. */
export interface UplinkNews {
  readonly limit?: CameraLimit | null;
  readonly audioOnly?: boolean;
  readonly warning?: QualityWarning;
}

export const NO_PICTURE: CameraLimit = { bitrateBps: 0, lines: null, framesPerSecond: null };

export class Uplink {
  readonly #profile: ProfileController | null;
  readonly #audioOnly = new AudioOnly();

  constructor(profile: Profile | null) {
    this.#profile = profile === null ? null : new ProfileController(profile);
  }

  /** What may be sent of the camera; `null` is no limit. */
  get limit(): CameraLimit | null {
    return this.#audioOnly.state.sends ? (this.#profile?.limit ?? null) : NO_PICTURE;
  }

  /** Whether the user is told that nobody sees them, because their uplink is too slow. */
  get isAudioOnly(): boolean {
    return this.#audioOnly.state.isTold;
  }

  take({ atMs, rttMs, sentLost, availableBps }: UplinkCounters, hasPicture: boolean): UplinkNews {
    const before = { limit: this.limit, audioOnly: this.isAudioOnly };
    const lostPercent = sentLost === null ? null : sentLost * 100;
    this.#audioOnly.take({ atMs, availableBps, lostPercent, hasPicture });
    const warning = this.#profile?.take({ atMs, rttMs, lostPercent }).warning ?? null;
    return {
      ...(this.limit === before.limit ? {} : { limit: this.limit }),
      ...(this.isAudioOnly === before.audioOnly ? {} : { audioOnly: this.isAudioOnly }),
      ...(warning === null ? {} : { warning }),
    };
  }
}
