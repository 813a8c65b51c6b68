/** A microphone or camera of the user: on or off, one device or another, always at most one capture at a time. */
import type { CameraSize, DeviceKind } from "./devices";
import { openDevice } from "./devices";
import { RoomError } from "./errors";
import { LevelMeter } from "./level";

/** What the application starts with: a track it has opened, whether to open one, or which device. */
export type TrackOption = MediaStreamTrack | boolean | { readonly deviceId: string };

/** What a local track reports. */
export interface LocalTrackListener {
  /** Another track, or none, is to be sent. */
  replaced(track: MediaStreamTrack | null): void;
  /** It became silent or dark, or came back. */
  muted(muted: boolean): void;
  /** The device was unplugged, and another one took its place. */
  fellBack(label: string): void;
  failed(error: RoomError): void;
}

/** Owns the capture of one device. */
export class LocalTrack {
  readonly kind: DeviceKind;
  readonly #size: CameraSize | undefined;
  readonly #listener: LocalTrackListener;
  #track: MediaStreamTrack | null = null;
  #deviceId: string | undefined;
  #on: boolean;
  #work: Promise<void> = Promise.resolve();
  #closed = false;
  #meter: LevelMeter | null = null;

  constructor(kind: DeviceKind, option: TrackOption, size: CameraSize | undefined, listener: LocalTrackListener) {
    this.kind = kind;
    this.#size = size;
    this.#listener = listener;
    this.#on = option !== false;
    if (typeof option === "object" && !(option instanceof MediaStreamTrack)) {
      this.#deviceId = option.deviceId;
    } else if (typeof option === "object") {
      this.#adopt(option);
    }
  }

  /** Whether the user wants it to be heard or seen. */
  get on(): boolean {
    return this.#on;
  }

  get track(): MediaStreamTrack | null {
    return this.#track;
  }

  get deviceId(): string | null {
    return this.#track?.getSettings().deviceId ?? this.#deviceId ?? null;
  }

  /** How loud it is, measured here; for browsers whose statistics do not say. */
  get level(): number {
    if (this.#track !== this.#meter?.track) {
      this.#meter?.close();
      this.#meter = this.#track === null ? null : new LevelMeter(this.#track);
    }
    return this.#meter?.level ?? 0;
  }

  /** Opens the device where the application wants it but has not opened it. */
  prepare(): Promise<void> {
    return this.#on && this.#track === null ? this.set(true) : Promise.resolve();
  }

  /** Turns it on or off. Throws a `RoomError` where the device cannot be had. */
  set(on: boolean): Promise<void> {
    this.#on = on;
    if (!on) {
      // At once, not after whatever is under way: who mutes means now.
      this.#silence();
      this.#listener.muted(true);
      return Promise.resolve();
    }
    return this.#enqueue(() => this.#turnOn());
  }

  /** Captures another device. Throws a `RoomError` where it cannot be had; the one before then stays. */
  switchDevice(deviceId: string): Promise<void> {
    this.#deviceId = deviceId;
    return this.#enqueue(async () => {
      if (this.#track !== null || this.#on) {
        this.#replace(await openDevice(this.kind, deviceId, this.#size));
      }
    });
  }

  /** The devices there are now: one that is used but gone is replaced, even where the browser does not end its track. */
  devicesChanged(ids: readonly string[]): Promise<void> {
    const used = this.#track?.getSettings().deviceId;
    // Without permission the list names no device.
    const isGone = used !== undefined && ids.some((id) => id !== "") && !ids.includes(used);
    return isGone ? this.#enqueue(() => this.#fallBack()) : Promise.resolve();
  }

  /** Turns it off and lets the device go; it can be turned on again. */
  release(): void {
    this.#on = false;
    this.#drop();
    this.#listener.replaced(null);
    this.#listener.muted(true);
  }

  /** Stops capturing for good. */
  close(): void {
    this.#closed = true;
    this.#on = false;
    this.#meter?.close();
    this.#meter = null;
    this.#drop();
  }

  async #turnOn(): Promise<void> {
    if (!this.#on || this.#closed) {
      return;
    }
    try {
      if (this.#track === null) {
        this.#replace(await openDevice(this.kind, this.#deviceId, this.#size));
      }
    } catch (error) {
      this.#on = false;
      this.#listener.muted(true);
      throw error;
    }
    if (this.#track !== null && this.#on) {
      this.#track.enabled = true;
      this.#listener.muted(false);
    }
  }

  #replace(track: MediaStreamTrack): void {
    const isWanted = this.#on || (this.kind === "microphone" && this.#track !== null);
    if (this.#closed || !isWanted) {
      track.stop();
      return;
    }
    this.#drop();
    this.#adopt(track);
    this.#listener.replaced(track);
  }

  #adopt(track: MediaStreamTrack): void {
    this.#track = track;
    track.enabled = this.#on;
    // Speech and faces: smooth rather than sharp.
    track.contentHint = this.kind === "camera" ? "motion" : "speech";
    track.onended = () => this.#enqueue(() => this.#fallBack()).catch(() => undefined);
  }

  /** The device was unplugged or taken away: the default one takes its place. */
  async #fallBack(): Promise<void> {
    this.#drop();
    this.#deviceId = undefined;
    if (!this.#on || this.#closed) {
      this.#listener.replaced(null);
      return;
    }
    try {
      await this.#turnOn();
      const { track } = this;
      if (track !== null) {
        this.#listener.fellBack(track.label);
      }
    } catch (error) {
      this.#listener.replaced(null);
      this.#listener.failed(error instanceof RoomError ? error : new RoomError("device_busy", String(error)));
    }
  }

  #silence(): void {
    if (this.kind === "camera") {
      // The camera's light goes off only when nothing captures.
      this.#drop();
      this.#listener.replaced(null);
    } else if (this.#track !== null) {
      this.#track.enabled = false;
    }
  }

  #drop(): void {
    if (this.#track !== null) {
      this.#track.onended = null;
      this.#track.stop();
      this.#track = null;
    }
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }
}
