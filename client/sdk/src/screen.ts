/** Captures the user's screen, window or tab for sharing. */
import { denialOf } from "./denial";
import type { CaptureConstraints } from "./devices";
import { RoomError } from "./errors";

export interface ScreenOptions {
  /** `text` and `detail` stay sharp and may stutter, `motion` (a film) is smooth. Default: `detail`. */
  readonly hint?: "detail" | "text" | "motion";
  /** If true, the screen's audio is shared too, if the browser and the user allow it. Default: true. */
  readonly sound?: boolean;
  /** These replace the default constraints one by one: 15 frames per second at most, 30 for `motion`. */
  readonly constraints?: { readonly video?: CaptureConstraints; readonly audio?: CaptureConstraints };
}

export interface ScreenListener {
  /** The tracks to send have changed; there may be none. */
  changed(): void;
  /** A track delivers nothing or delivers again: the shared window was minimised or restored. Called before `changed`. */
  muted(source: "screen" | "screen_audio", muted: boolean): void;
}

/** A still page needs no more, and a scrolling one is readable. */
const FRAMES_PER_SECOND_MAX = 15;
const FRAMES_PER_SECOND_MOTION = 30;

/** Owns the capture of one screen; at most one at a time. */
export class ScreenShare {
  readonly #listener: ScreenListener;
  #video: MediaStreamTrack | null = null;
  #sound: MediaStreamTrack | null = null;
  /** The browser's picker cannot be closed: after a stop its result is discarded. */
  #asked = 0;

  constructor(listener: ScreenListener) {
    this.#listener = listener;
  }

  get video(): MediaStreamTrack | null {
    return this.#video;
  }

  get sound(): MediaStreamTrack | null {
    return this.#sound;
  }

  /** Lets the user choose what to share. Throws a `RoomError`; if the user chose nothing, its code is `screen_denied`. */
  async start(options: ScreenOptions = {}): Promise<void> {
    const { hint = "detail" } = options;
    const asked = ++this.#asked;
    const stream = await capture(options);
    const [video] = stream.getVideoTracks();
    if (asked !== this.#asked || video?.readyState !== "live") {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    this.#drop();
    this.#video = video;
    this.#sound = stream.getAudioTracks().find(({ readyState }) => readyState === "live") ?? null;
    video.contentHint = hint;
    // The browser has its own stop button.
    video.onended = () => this.stop();
    this.#watch("screen", video);
    if (this.#sound !== null) {
      this.#sound.onended = () => this.#dropSound();
      this.#watch("screen_audio", this.#sound);
    }
    this.#listener.changed();
  }

  stop(): void {
    this.#asked += 1;
    if (this.#video !== null) {
      this.#drop();
      this.#listener.changed();
    }
  }

  /** A moderator has muted a track; the picture goes on without its sound. */
  silence(source: "screen" | "screen_audio"): void {
    if (source === "screen") {
      this.stop();
    } else if (this.#sound !== null) {
      this.#dropSound();
    }
  }

  /** Stops capturing for good, without calling `changed`. */
  close(): void {
    this.#asked += 1;
    this.#drop();
  }

  /** Reports every share anew: a moderator may have muted the one before. */
  #watch(source: "screen" | "screen_audio", track: MediaStreamTrack): void {
    track.onmute = track.onunmute = () => this.#listener.muted(source, track.muted);
    this.#listener.muted(source, track.muted);
  }

  #dropSound(): void {
    release(this.#sound);
    this.#sound = null;
    this.#listener.changed();
  }

  #drop(): void {
    release(this.#video);
    release(this.#sound);
    this.#video = this.#sound = null;
  }
}

function release(track: MediaStreamTrack | null): void {
  if (track !== null) {
    track.onended = track.onmute = track.onunmute = null;
    track.stop();
  }
}

async function capture({ hint, sound = true, constraints = {} }: ScreenOptions): Promise<MediaStream> {
  // Absent on phones and on pages that are not a secure context, despite the type.
  const devices = navigator.mediaDevices as Partial<MediaDevices> | undefined;
  if (devices?.getDisplayMedia === undefined) {
    throw new RoomError("screen_unsupported", "getDisplayMedia is absent");
  }
  const max = hint === "motion" ? FRAMES_PER_SECOND_MOTION : FRAMES_PER_SECOND_MAX;
  try {
    const video = { frameRate: { ideal: max, max }, ...constraints.video };
    return await devices.getDisplayMedia({ video, audio: sound && (constraints.audio ?? true) });
  } catch (error) {
    const isDenied = error instanceof DOMException && error.name === "NotAllowedError";
    throw new RoomError(isDenied ? `screen_${denialOf(error, "display-capture")}` : "screen_failed", String(error), { cause: error });
  }
}

/** True if this browser can share a screen; phones cannot. */
export function canShareScreen(): boolean {
  return typeof navigator !== "undefined" && (navigator.mediaDevices as Partial<MediaDevices> | undefined)?.getDisplayMedia !== undefined;
}
