/** Everything that the user publishes: microphone, camera and screen, with what each of them reports. */
import type { CameraSize, DeviceKind } from "./devices";
import type { RoomError } from "./errors";
import type { PublishedSource } from "./peer";
import type { TrackSource } from "./protocol.gen";
import { ScreenShare } from "./screen";
import type { TrackOption } from "./track";
import { LocalTrack } from "./track";

/** What the user starts with. */
export interface LocalMediaOptions {
  readonly microphone?: TrackOption;
  readonly camera?: TrackOption;
  readonly cameraSize?: CameraSize;
}

/** What happens to it. */
export interface LocalMediaListener {
  replaced(source: DeviceKind, track: MediaStreamTrack | null): void;
  muted(source: DeviceKind, muted: boolean): void;
  /** The device was unplugged and another one took its place. */
  fellBack(source: DeviceKind, label: string): void;
  failed(error: RoomError): void;
  screenChanged(): void;
}

/** Owns all captures. */
export class LocalMedia {
  readonly microphone: LocalTrack;
  readonly camera: LocalTrack;
  readonly screen: ScreenShare;

  constructor({ microphone = false, camera = false, cameraSize }: LocalMediaOptions, listener: LocalMediaListener) {
    const track = (kind: DeviceKind, option: TrackOption, size: CameraSize | undefined): LocalTrack =>
      new LocalTrack(kind, option, size, {
        replaced: (replaced) => listener.replaced(kind, replaced),
        muted: (muted) => listener.muted(kind, muted),
        fellBack: (label) => listener.fellBack(kind, label),
        failed: (error) => listener.failed(error),
      });
    this.microphone = track("microphone", microphone, undefined);
    this.camera = track("camera", camera, cameraSize);
    this.screen = new ScreenShare({ changed: () => listener.screenChanged() });
  }

  /** What has a section in an offer: the devices always, a screen and its sound while they are shared. */
  sources(): PublishedSource[] {
    const { microphone, camera, screen } = this;
    const shared: PublishedSource[] = [
      { source: "screen", track: screen.video },
      { source: "screen_audio", track: screen.sound },
    ];
    return [
      ...[microphone, camera].map(({ kind: source, track }) => ({ source, track })),
      ...shared.filter(({ track }) => track !== null),
    ];
  }

  /** The track that is published of a source. */
  track(source: TrackSource): MediaStreamTrack | null {
    return this.sources().find((published) => published.source === source)?.track ?? null;
  }

  /** Turns everything off and lets the devices go. */
  release(): void {
    this.microphone.release();
    this.camera.release();
    this.screen.stop();
  }

  close(): void {
    this.microphone.close();
    this.camera.close();
    this.screen.close();
  }
}
