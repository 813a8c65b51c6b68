/** Derives the camera's limit and user notifications from the uplink statistics. Pure; time is an argument. */
import { Attempts } from "./attempts";
import { AudioOnly } from "./audio-only";
import type { CameraLimit, Profile, ProfileController, QualityWarning } from "./profile";

export interface UplinkCounters {
  readonly atMs: number;
  readonly rttMs: number | null;
  /** The worst loss of the sent streams (0 to 1), from the node's last report. */
  readonly sentLost: number | null;
  readonly availableBps: number | null;
}

export interface UplinkNews {
  readonly limit?: CameraLimit | null;
  readonly audioOnly?: boolean;
  readonly warning?: QualityWarning;
}

export const NO_PICTURE: CameraLimit = { bitrateBps: 0, lines: null, framesPerSecond: null };

/** The uplink of a call with a profile, whose code few calls need. */
export async function profiled(profile: Profile, signal?: AbortSignal): Promise<Uplink> {
  const loaded = await import("./profile");
  signal?.throwIfAborted();
  return new Uplink(new loaded.ProfileController(profile));
}

export class Uplink {
  readonly #profile: ProfileController | null;
  readonly #audioOnly = new AudioOnly();
  readonly attempts = new Attempts();

  constructor(profile: ProfileController | null) {
    this.#profile = profile;
  }

  /** The camera's limit; `null` means no limit. */
  get limit(): CameraLimit | null {
    return this.#audioOnly.state.sends ? (this.#profile?.limit ?? null) : NO_PICTURE;
  }

  /** True if the user is notified that the camera is paused because the uplink is too slow. */
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
