/**
 * State machine of one microphone or camera: the user's choice, the capture, and a pending opening. Pure; the shell is
 * `capture.ts`.
 *
 * Invariants after every step, for any order of events: nothing is captured live unless the user wants it, a device
 * that opens too late is stopped, and at most one opening is pending.
 */
import type { DeviceKind } from "./devices";
import type { ClientErrorCode } from "./errors";

/** The device's user: nobody, a page with a preview, a call, or nobody ever again. */
export type Use = "none" | "preview" | "call" | "closed";

/** A track that the application has opened, perhaps a blurred one. No device may replace it unless the user chooses one. */
export const APPLICATION = Symbol("application");
/** A device; `null` is the browser's default. */
export type Source = string | typeof APPLICATION | null;

export interface CaptureState {
  readonly kind: DeviceKind;
  readonly use: Use;
  /** The user's choice, kept across failed joins and finished calls. */
  readonly wanted: boolean;
  readonly chosen: Source;
  readonly live: Live | null;
  /** `getUserMedia` cannot be cancelled, so a second opening waits for the first. */
  readonly opening: Opening | null;
  readonly openings: number;
  /** True if the device was lost, and another one must replace it. */
  readonly isReplacing: boolean;
  /** The number of losses in a row soon after opening. */
  readonly losses: number;
}

export interface Live {
  /** The number of the opening that produced it. */
  readonly opening: number;
  /** The requested device; the browser may have opened another one. */
  readonly asked: Source;
  readonly isEnabled: boolean;
  /** The system has interrupted the device: a phone call, a closed lid. */
  readonly isInterrupted: boolean;
}

export interface Opening {
  readonly number: number;
  readonly asked: string | null;
  /** The previous device, as a fallback. */
  readonly retreat: { readonly asked: string | null } | null;
}

export type CaptureEvent =
  | { readonly on: "use"; readonly use: Use }
  | { readonly on: "set"; readonly wanted: boolean }
  | { readonly on: "choose"; readonly device: string }
  /** The device must not be used until the user turns it on again. */
  | { readonly on: "release" }
  /** A track may arrive interrupted: a call on the phone, a switch of the keyboard. */
  | { readonly on: "opened"; readonly opening: number; readonly isInterrupted: boolean }
  | { readonly on: "failed"; readonly opening: number; readonly code: ClientErrorCode }
  /** This opening's track has ended: unplugged, taken away, or forbidden. */
  | { readonly on: "lost"; readonly opening: number; readonly livedMs: number }
  | { readonly on: "interrupted"; readonly opening: number; readonly isInterrupted: boolean };

export type CaptureCommand =
  | { readonly do: "open"; readonly opening: number; readonly device: string | null }
  /** Stops this opening's track, whether it was in use or arrived too late. */
  | { readonly do: "stop"; readonly opening: number }
  | { readonly do: "enable"; readonly isEnabled: boolean }
  /** The track to send has changed; there may be none. */
  | { readonly do: "replace" }
  /** Another device replaced a lost one. */
  | { readonly do: "tell_replaced" }
  /** The last opening failed; reject its waiting promises. */
  | { readonly do: "fail"; readonly code: ClientErrorCode }
  /** Nothing is pending; resolve the waiting promises. */
  | { readonly do: "settle" };

/** A device that ends right after opening must not be reopened forever. */
const LOSSES_MAX = 3;
const SHORT_LIFE_MS = 5_000;

export function initialCapture(kind: DeviceKind, wanted: boolean, chosen: string | null): CaptureState {
  return {
    kind,
    use: "none",
    wanted,
    chosen,
    live: null,
    opening: null,
    openings: 0,
    isReplacing: false,
    losses: 0,
  };
}

/** The state shown to the user: on, or about to be. */
export function isOn({ wanted, live }: CaptureState): boolean {
  return wanted && live?.isInterrupted !== true;
}

export function stepCapture(before: CaptureState, event: CaptureEvent): [CaptureState, CaptureCommand[]] {
  if (before.use === "closed") {
    return [before, event.on === "opened" ? [{ do: "stop", opening: event.opening }] : []];
  }
  const step = new Step(before);
  step.take(event);
  step.reconcile();
  return step.finish();
}

class Step {
  #state: CaptureState;
  readonly #before: CaptureState;
  readonly #commands: CaptureCommand[] = [];

  constructor(before: CaptureState) {
    this.#before = before;
    this.#state = before;
  }

  take(event: CaptureEvent): void {
    switch (event.on) {
      case "use":
        return this.#update({ use: event.use });
      case "set":
        return this.#set(event.wanted);
      case "choose":
        return this.#update({ chosen: event.device, losses: 0 });
      case "release":
        this.#update({ wanted: false });
        return this.#stop();
      case "opened":
        return this.#opened(event);
      case "failed":
        return this.#failed(event.opening, event.code);
      case "lost":
        return this.#lost(event);
      case "interrupted":
        return this.#interrupted(event.opening, event.isInterrupted);
    }
  }

  /** Reconciles the capture with the user's choice. */
  reconcile(): void {
    const { use, wanted, live, opening, chosen } = this.#state;
    const isUsed = use === "preview" || use === "call";
    if (!isUsed || !wanted) {
      if (live !== null && isUsed && this.#staysSilent()) {
        this.#enable(false);
      } else {
        this.#stop();
      }
      return;
    }
    if (opening === null && (live === null || live.asked !== chosen)) {
      if (chosen === APPLICATION) {
        this.#update({ wanted: false });
        this.#commands.push({ do: "fail", code: "device_missing" });
        return;
      }
      this.#open(chosen, null);
    }
    this.#enable(true);
  }

  finish(): [CaptureState, CaptureCommand[]] {
    const [before, after] = [this.#before, this.#state];
    if (before.live?.opening !== after.live?.opening) {
      this.#commands.push({ do: "replace" });
      if (after.live !== null && after.isReplacing) {
        this.#commands.push({ do: "tell_replaced" });
      }
    }
    if (after.live !== null || !after.wanted) {
      this.#update({ isReplacing: false });
    }
    const isPending = after.opening !== null && after.wanted && (after.use === "preview" || after.use === "call");
    if (!isPending) {
      this.#commands.push({ do: "settle" });
    }
    return [this.#state, this.#commands];
  }

  /**
   * True if the device stays open, muted, while it is off. A microphone in a call does, because reopening a headset
   * takes a second, and the application's own track, which cannot be reopened. A camera does not, because its light
   * would stay on; nor does a device that the user changed.
   */
  #staysSilent(): boolean {
    const { kind, use, live, chosen } = this.#state;
    const isDevice = kind === "microphone" && use === "call" && live?.isInterrupted === false;
    return live?.asked === chosen && (chosen === APPLICATION || isDevice);
  }

  #set(wanted: boolean): void {
    this.#update({ wanted, losses: 0 });
    const { live } = this.#state;
    if (wanted && live?.isInterrupted === true && live.asked !== APPLICATION) {
      // The user does not want to wait until the system returns it.
      this.#stop();
    }
  }

  #opened({ opening: number, isInterrupted }: Extract<CaptureEvent, { on: "opened" }>): void {
    const { opening, wanted, use, chosen } = this.#state;
    const isAwaited = opening?.number === number;
    if (isAwaited) {
      this.#update({ opening: null });
    }
    if (!isAwaited || !wanted || use === "none" || opening.asked !== chosen) {
      this.#commands.push({ do: "stop", opening: number });
      return;
    }
    this.#stop();
    this.#update({ live: { opening: number, asked: opening.asked, isEnabled: true, isInterrupted } });
  }

  #failed(number: number, code: ClientErrorCode): void {
    const { opening, wanted, use, chosen, live } = this.#state;
    if (opening?.number !== number) {
      return;
    }
    this.#update({ opening: null });
    if (!wanted || use === "none" || opening.asked !== chosen) {
      return;
    }
    if (live !== null && live.asked !== APPLICATION && code === "device_busy") {
      // Phones open one camera at a time.
      this.#stop();
      this.#open(chosen, { asked: live.asked });
      return;
    }
    const former = live ?? opening.retreat;
    this.#update(former === null ? { wanted: false } : { chosen: former.asked });
    this.#commands.push({ do: "fail", code });
  }

  #lost({ opening, livedMs }: Extract<CaptureEvent, { on: "lost" }>): void {
    const { live, losses, wanted, chosen } = this.#state;
    if (live?.opening !== opening) {
      return;
    }
    this.#stop();
    if (losses >= LOSSES_MAX && livedMs < SHORT_LIFE_MS) {
      this.#update({ wanted: false });
      this.#commands.push({ do: "fail", code: "device_busy" });
      return;
    }
    // A device that the user has just chosen takes its place anyway.
    this.#update(live.asked === chosen && chosen !== APPLICATION ? { chosen: null, isReplacing: wanted } : {});
    this.#update({ losses: livedMs < SHORT_LIFE_MS ? losses + 1 : 1 });
  }

  #interrupted(number: number, isInterrupted: boolean): void {
    const { live } = this.#state;
    if (live?.opening === number) {
      this.#update({ live: { ...live, isInterrupted } });
    }
  }

  #open(device: string | null, retreat: Opening["retreat"]): void {
    const number = this.#state.openings + 1;
    this.#update({ openings: number, opening: { number, asked: device, retreat } });
    this.#commands.push({ do: "open", opening: number, device });
  }

  #stop(): void {
    const { live } = this.#state;
    if (live !== null) {
      this.#update({ live: null });
      this.#commands.push({ do: "stop", opening: live.opening });
    }
  }

  #enable(isEnabled: boolean): void {
    const { live } = this.#state;
    if (live !== null && live.isEnabled !== isEnabled) {
      this.#update({ live: { ...live, isEnabled } });
      this.#commands.push({ do: "enable", isEnabled });
    }
  }

  #update(change: Partial<CaptureState>): void {
    this.#state = { ...this.#state, ...change };
  }
}
