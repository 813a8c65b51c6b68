/** Everything that the user publishes: microphone, camera and screen, with their events. */
import type { CaptureListener } from "./capture";
import { Capture } from "./capture";
import type { CaptureConstraints, DeviceKind } from "./devices";
import type { RoomError } from "./errors";
import type { PublishedSource } from "./peer";
import type { TrackSource } from "./protocol.gen";
import type { ScreenListener } from "./screen";
import { ScreenShare } from "./screen";

/**
 * A device's source: whether to open one, which one to open, a track opened by the application (off if it is disabled),
 * or the lobby's capture, which is reused after the call.
 */
export type TrackOption = Capture | MediaStreamTrack | boolean | { readonly deviceId: string };

export interface LocalMediaOptions {
  readonly microphone?: TrackOption;
  readonly camera?: TrackOption;
  /**
   * For devices that the room opens; these replace the defaults one by one: echo cancellation, noise suppression and automatic
   * gain; 1280 × 720 at 30 frames per second.
   */
  readonly constraints?: { readonly microphone?: CaptureConstraints; readonly camera?: CaptureConstraints };
}

export interface LocalMediaListener {
  replaced(source: DeviceKind, track: MediaStreamTrack | null): void;
  muted(source: DeviceKind, muted: boolean): void;
  /** The device was unplugged and another one replaced it. */
  fellBack(source: DeviceKind, label: string): void;
  failed(error: RoomError): void;
  changed(): void;
}

export class LocalMedia {
  readonly microphone: Capture;
  readonly camera: Capture;
  readonly screen: ScreenShare;
  /** Captures to return after the call; true if the lobby previews them. */
  readonly #lent = new Map<Capture, boolean>();
  readonly #listeners = new Map<Capture, CaptureListener>();
  #stream: MediaStream | null = null;
  #closed = false;

  constructor({ microphone = false, camera = false, constraints }: LocalMediaOptions, listener: ScreenListener) {
    this.microphone = captureOf("microphone", microphone, constraints?.microphone);
    this.camera = captureOf("camera", camera, constraints?.camera);
    for (const option of [microphone, camera]) {
      if (option instanceof Capture) {
        this.#lent.set(option, option.isPreviewed);
      }
    }
    this.screen = new ScreenShare(listener);
  }

  start(listener: LocalMediaListener): void {
    for (const capture of [this.microphone, this.camera]) {
      const captureListener: CaptureListener = {
        replaced: (track) => {
          this.#fillStream();
          listener.replaced(capture.kind, track);
        },
        muted: (muted) => listener.muted(capture.kind, muted),
        changed: () => listener.changed(),
        fellBack: (label) => listener.fellBack(capture.kind, label),
        failed: (error) => listener.failed(error),
      };
      this.#listeners.set(capture, captureListener);
      capture.attach(captureListener);
    }
  }

  /** The microphone and camera captures; the same object for the whole call. */
  get stream(): MediaStream {
    this.#stream ??= new MediaStream();
    this.#fillStream();
    return this.#stream;
  }

  /** The sources with a section in an offer: the devices always, a screen and its audio while shared. */
  sources(): PublishedSource[] {
    const { microphone, camera, screen } = this;
    const shared: PublishedSource[] = [
      { source: "screen", track: screen.video },
      { source: "screen_audio", track: screen.sound },
    ];
    return [
      ...[microphone, camera].map(({ kind: source, snapshot: { track } }) => ({ source, track })),
      ...shared.filter(({ track }) => track !== null),
    ];
  }

  /** The published track of a source. */
  track(source: TrackSource): MediaStreamTrack | null {
    return this.sources().find((published) => published.source === source)?.track ?? null;
  }

  /** Turns off what a moderator has muted. */
  silence(source: TrackSource): void {
    if (source === "microphone" || source === "camera") {
      void this[source].set(false);
    } else {
      this.screen.silence(source);
    }
  }

  /** Reopens the devices that are on. */
  async restart(): Promise<void> {
    const on = [this.microphone, this.camera].filter(({ snapshot }) => snapshot.on);
    on.forEach((capture) => capture.release());
    await Promise.all(on.map((capture) => capture.set(true)));
  }

  /** Turns everything off and releases the devices. */
  release(): void {
    this.microphone.release();
    this.camera.release();
    this.screen.stop();
  }

  /** Releases the devices and the screen until `resume`; a screen cannot be captured again without asking the user. */
  suspend(): void {
    this.microphone.suspend();
    this.camera.suspend();
    this.screen.stop();
  }

  /** Reopens the devices that the user wants on. */
  resume(): void {
    this.microphone.resume();
    this.camera.resume();
  }

  /** Ends all captures of this call. Lent captures are returned, and previewed again if the user was never admitted. */
  close(wasAdmitted: boolean): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    for (const capture of [this.microphone, this.camera]) {
      const wasPreviewed = this.#lent.get(capture);
      const listener = this.#listeners.get(capture);
      if (wasPreviewed === undefined) {
        capture.close();
      } else if (listener !== undefined) {
        capture.detach(listener, wasPreviewed && !wasAdmitted);
      }
    }
    this.screen.close();
  }

  #fillStream(): void {
    const stream = this.#stream;
    if (stream === null) {
      return;
    }
    const wanted = [this.microphone, this.camera].flatMap(({ snapshot: { track } }) => (track === null ? [] : [track]));
    stream.getTracks().filter((track) => !wanted.includes(track)).forEach((track) => stream.removeTrack(track));
    wanted.forEach((track) => stream.addTrack(track));
  }
}

function captureOf(kind: DeviceKind, option: TrackOption, constraints: CaptureConstraints | undefined): Capture {
  if (option instanceof Capture) {
    return option;
  }
  const deviceId = typeof option === "object" && "deviceId" in option ? option.deviceId : null;
  const capture = new Capture(kind, { on: option !== false, deviceId, ...(constraints === undefined ? {} : { constraints }) });
  if (typeof option === "object" && !("deviceId" in option)) {
    capture.adopt(option);
  }
  return capture;
}
