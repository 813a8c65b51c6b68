/** Measures the level of a track in the page: for the lobby, and for browsers whose statistics lack it. */

const SAMPLES = 1024;

/** Events that browsers accept as user activation, so that the page may run audio. */
const GESTURES = ["pointerup", "keydown", "touchend"] as const;

/** Measures one track until it is closed. */
export class LevelMeter {
  readonly track: MediaStreamTrack;
  /** `null` if this browser cannot measure the track. */
  readonly #measured: { readonly context: AudioContext; readonly analyser: AnalyserNode } | null;
  readonly #samples = new Float32Array(SAMPLES);
  readonly #resume = (): void => {
    const { context } = this.#measured ?? {};
    if (context !== undefined && context.state !== "running") {
      // Refused until the next gesture.
      context.resume().catch(() => undefined);
    }
  };

  constructor(track: MediaStreamTrack) {
    this.track = track;
    this.#measured = measure(track);
    // Suspended if the page was not touched yet; interrupted on an iPhone after a phone call.
    this.#resume();
    GESTURES.forEach((gesture) => window.addEventListener(gesture, this.#resume, { passive: true }));
    document.addEventListener("visibilitychange", this.#resume);
  }

  /** True if the browser runs audio: some require a click first. */
  get isRunning(): boolean {
    return this.#measured?.context.state === "running";
  }

  /** The RMS level from 0 to 1, where 1 is full scale; 0 while it cannot be measured. */
  get level(): number {
    if (!this.isRunning) {
      return 0;
    }
    this.#measured?.analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / SAMPLES;
    return Math.min(1, Math.sqrt(power));
  }

  close(): void {
    GESTURES.forEach((gesture) => window.removeEventListener(gesture, this.#resume));
    document.removeEventListener("visibilitychange", this.#resume);
    void this.#measured?.context.close();
  }
}

/** Fails without the Web Audio API, and in Firefox for a microphone with another sample rate than the speaker. */
function measure(track: MediaStreamTrack): { context: AudioContext; analyser: AnalyserNode } | null {
  let context: AudioContext | null = null;
  try {
    context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = SAMPLES;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    return { context, analyser };
  } catch {
    void context?.close();
    return null;
  }
}
