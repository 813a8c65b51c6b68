/**
 * The user's microphone or camera, from the lobby into the call and back: it can be created before joining, lent to
 * `Room.join`, and reused after the call.
 */
import type { CaptureCommand, CaptureEvent, CaptureState } from "./capture-state";
import { APPLICATION, initialCapture, isOn, stepCapture } from "./capture-state";
import type { CaptureConstraints, DeviceKind } from "./devices";
import { listDevices, onDevicesChanged, openDevice } from "./devices";
import { Emitter } from "./emitter";
import { RoomError } from "./errors";
import { LevelMeter } from "./level";

export interface CaptureOptions {
  /** Default: off. */
  readonly on?: boolean;
  /** Default: the browser's default device. */
  readonly deviceId?: string | null;
  /** These replace the default constraints one by one. */
  readonly constraints?: CaptureConstraints;
}

/** A snapshot of a device; the same object until something changes. */
export interface CaptureSnapshot {
  /** True if it is on or still opening. */
  readonly on: boolean;
  /** The captured track; `null` while it is off or still opening. */
  readonly track: MediaStreamTrack | null;
  /** The device in use, or the one that will be. */
  readonly deviceId: string | null;
  readonly opening: boolean;
  /** The system has interrupted it, for instance for a phone call. */
  readonly interrupted: boolean;
  /** The reason if it was turned off by an error; `null` once it is on or the user has pressed the button. */
  readonly error: RoomError | null;
}

export interface CaptureEvents {
  changed: CaptureSnapshot;
  /** Another device replaced a lost one. */
  replaced: { readonly label: string };
}

export interface CaptureListener {
  /** The track to send; `null` for none. */
  replaced(track: MediaStreamTrack | null): void;
  muted(muted: boolean): void;
  changed(): void;
  fellBack(label: string): void;
  failed(error: RoomError): void;
}

interface Arrived {
  readonly track: MediaStreamTrack;
  readonly atMs: number;
}

export class Capture extends Emitter<CaptureEvents> {
  readonly kind: DeviceKind;
  readonly #constraints: CaptureConstraints | undefined;
  /** By number of the opening. */
  readonly #tracks = new Map<number, Arrived>();
  #state: CaptureState;
  #snapshot: CaptureSnapshot;
  #error: RoomError | null = null;
  #failure: RoomError | null = null;
  #listener: CaptureListener | null = null;
  /** The page that previewed it is gone. */
  #isAbandoned = false;
  #waiting: PromiseWithResolvers<void>[] = [];
  #meter: LevelMeter | null = null;
  #stopListening: (() => void) | null = null;

  constructor(kind: DeviceKind, { on = false, deviceId = null, constraints }: CaptureOptions = {}) {
    super();
    this.kind = kind;
    this.#constraints = constraints;
    this.#state = initialCapture(kind, on, deviceId);
    this.#snapshot = this.#take();
  }

  get snapshot(): CaptureSnapshot {
    return this.#snapshot;
  }

  /** True if it is captured for a preview only. */
  get isPreviewed(): boolean {
    return this.#state.use === "preview";
  }

  /** True if others hear or see it. */
  get sends(): boolean {
    return sends(this.#state);
  }

  /** The level, measured in the page; `null` if the browser does not allow that. */
  get level(): number | null {
    const { track } = this.#snapshot;
    if (track !== (this.#meter?.track ?? null)) {
      this.#meter?.close();
      this.#meter = track === null ? null : new LevelMeter(track);
    }
    return this.#meter?.isRunning === true ? this.#meter.level : null;
  }

  /** Turns it on or off; off takes effect immediately. Rejects with a `RoomError` if the device cannot be opened. */
  set(on: boolean): Promise<void> {
    this.#error = null;
    return this.#settled({ on: "set", wanted: on });
  }

  /** Switches to another device once it is on. Rejects if it cannot be opened; the previous device then stays. */
  choose(deviceId: string): Promise<void> {
    this.#error = null;
    return this.#settled({ on: "choose", device: deviceId });
  }

  /** Captures the device for a preview, if the user wants it on. */
  preview(): void {
    this.#isAbandoned = false;
    this.#listener = null;
    this.#dispatch({ on: "use", use: "preview" });
  }

  /** Stops capturing; the user's choice is kept for the next time. */
  rest(): void {
    this.#listener = null;
    this.#dispatch({ on: "use", use: "none" });
  }

  /** Like `rest`, but a room that uses it keeps it until its end. */
  abandon(): void {
    this.#isAbandoned = true;
    if (this.#listener === null) {
      this.rest();
    }
  }

  close(): void {
    this.#listener = null;
    this.#meter?.close();
    this.#meter = null;
    this.#dispatch({ on: "use", use: "closed" });
  }

  attach(listener: CaptureListener): void {
    this.#listener = listener;
    this.#dispatch({ on: "use", use: "call" });
  }

  /** Lets the device go while it stays attached; the user's choice is kept. */
  suspend(): void {
    if (this.#listener !== null) {
      this.#dispatch({ on: "use", use: "none" });
    }
  }

  /** Reverts `suspend`. */
  resume(): void {
    if (this.#listener !== null) {
      this.#dispatch({ on: "use", use: "call" });
    }
  }

  /** Reverts `attach`; does nothing once the device has another owner. */
  detach(listener: CaptureListener, isPreviewed: boolean): void {
    if (this.#listener !== listener) {
      return;
    }
    if (isPreviewed && !this.#isAbandoned) {
      this.preview();
    } else {
      this.rest();
    }
  }

  /** Turns it off and releases the device; it can be turned on again. */
  release(): void {
    this.#dispatch({ on: "release" });
  }

  /**
   * Uses a track that the application has opened. A disabled one counts as off, and one that has ended cannot be turned
   * on: no device replaces it unless the user chooses one.
   */
  adopt(track: MediaStreamTrack): void {
    const opening = this.#state.openings + 1;
    const isLive = track.readyState === "live";
    const { enabled, muted } = track;
    const live = isLive ? { opening, asked: APPLICATION, isEnabled: enabled, isInterrupted: muted } as const : null;
    this.#state = { ...this.#state, wanted: enabled, chosen: APPLICATION, openings: opening, live };
    if (isLive) {
      this.#watch(opening, track);
    }
    this.#snapshot = this.#take();
  }

  #settled(event: CaptureEvent): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    // Callers that do not wait get it from `error`.
    waiting.promise.catch(() => undefined);
    this.#waiting.push(waiting);
    this.#dispatch(event);
    return waiting.promise;
  }

  #dispatch(event: CaptureEvent): void {
    const before = this.#state;
    const [after, commands] = stepCapture(before, event);
    this.#state = after;
    this.#listen(after.use === "preview" || after.use === "call");
    commands.forEach((command) => this.#execute(command));
    const shown = this.#take();
    if (!isSame(shown, this.#snapshot)) {
      this.#snapshot = shown;
      this.emit("changed", shown);
      this.#listener?.changed();
    }
    if (sends(before) !== sends(after)) {
      this.#listener?.muted(!sends(after));
    }
  }

  #execute(command: CaptureCommand): void {
    switch (command.do) {
      case "open":
        return this.#open(command.opening, command.device);
      case "stop":
        return this.#stop(command.opening);
      case "enable":
        return this.#enable(command.isEnabled);
      case "replace":
        return this.#listener?.replaced(this.#track());
      case "tell_replaced":
        return this.#tellReplaced();
      case "fail":
        return this.#fail(command.code);
      case "settle":
        return this.#waiting.splice(0).forEach(({ resolve }) => resolve());
    }
  }

  #open(opening: number, device: string | null): void {
    openDevice(this.kind, device ?? undefined, this.#constraints).then(
      (track) => {
        if (track.readyState === "ended") {
          this.#failed(opening, new RoomError("device_busy", "the track had ended", { device: this.kind }));
          return;
        }
        this.#watch(opening, track);
        this.#dispatch({ on: "opened", opening, isInterrupted: track.muted });
      },
      (error: unknown) =>
        this.#failed(opening, error instanceof RoomError ? error : new RoomError("device_busy", String(error), { device: this.kind })),
    );
  }

  #watch(opening: number, track: MediaStreamTrack): void {
    this.#tracks.set(opening, { track, atMs: performance.now() });
    // Speech and faces: smooth rather than sharp.
    track.contentHint = this.kind === "camera" ? "motion" : "speech";
    track.onended = () => this.#lost(opening);
    track.onmute = track.onunmute = () =>
      this.#dispatch({ on: "interrupted", opening, isInterrupted: track.muted });
  }

  #listen(isUsed: boolean): void {
    if (isUsed) {
      this.#stopListening ??= onDevicesChanged(() => void this.#devicesChanged());
    } else {
      this.#stopListening?.();
      this.#stopListening = null;
    }
  }

  /** Replaces a device that is in use but gone, even if the browser does not end its track. */
  async #devicesChanged(): Promise<void> {
    const { microphones, cameras } = await listDevices();
    const ids = (this.kind === "microphone" ? microphones : cameras).map(({ id }) => id);
    const { live } = this.#state;
    const used = this.#snapshot.track?.getSettings().deviceId;
    // Without permission the list names no device.
    if (live !== null && used !== undefined && ids.some((id) => id !== "") && !ids.includes(used)) {
      this.#lost(live.opening);
    }
  }

  #lost(opening: number): void {
    const atMs = this.#tracks.get(opening)?.atMs ?? performance.now();
    this.#dispatch({ on: "lost", opening, livedMs: performance.now() - atMs });
  }

  #failed(opening: number, error: RoomError): void {
    this.#failure = error;
    this.#dispatch({ on: "failed", opening, code: error.code as "device_busy" });
  }

  #stop(opening: number): void {
    const track = this.#tracks.get(opening)?.track;
    this.#tracks.delete(opening);
    if (track !== undefined) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
  }

  #enable(isEnabled: boolean): void {
    const track = this.#track();
    if (track !== null) {
      track.enabled = isEnabled;
    }
  }

  #tellReplaced(): void {
    const label = this.#track()?.label ?? "";
    this.#listener?.fellBack(label);
    this.emit("replaced", { label });
  }

  #fail(code: RoomError["code"]): void {
    const error = this.#failure ?? new RoomError(code, "", { device: this.kind });
    this.#failure = null;
    this.#error = error;
    const waiting = this.#waiting.splice(0);
    waiting.forEach(({ reject }) => reject(error));
    if (waiting.length === 0) {
      this.#listener?.failed(error);
    }
  }

  #track(): MediaStreamTrack | null {
    const { live } = this.#state;
    return live === null ? null : (this.#tracks.get(live.opening)?.track ?? null);
  }

  #take(): CaptureSnapshot {
    const { live, opening, chosen, wanted } = this.#state;
    const track = this.#track();
    return {
      on: isOn(this.#state),
      track,
      deviceId: track?.getSettings().deviceId ?? (chosen === APPLICATION ? null : chosen),
      opening: opening !== null && wanted,
      interrupted: wanted && live?.isInterrupted === true,
      error: this.#error,
    };
  }
}

function sends(state: CaptureState): boolean {
  return state.live !== null && isOn(state);
}

function isSame(a: CaptureSnapshot, b: CaptureSnapshot): boolean {
  return (Object.keys(a) as (keyof CaptureSnapshot)[]).every((key) => a[key] === b[key]);
}
