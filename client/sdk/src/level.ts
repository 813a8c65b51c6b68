/** How loud a track is, measured in the page: for the lobby, and where a browser's statistics do not say. */

const SAMPLES = 1024;

/** Listens to one track until it is closed. */
export class LevelMeter {
  readonly track: MediaStreamTrack;
  readonly #context = new AudioContext();
  readonly #analyser: AnalyserNode;
  readonly #samples = new Float32Array(SAMPLES);

  constructor(track: MediaStreamTrack) {
    this.track = track;
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = SAMPLES;
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(this.#analyser);
  }

  /** The effective value from 0 to 1, where 1 is full scale; 0 while the browser wants a click before it runs audio. */
  get level(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / SAMPLES;
    return Math.min(1, Math.sqrt(power));
  }

  close(): void {
    void this.#context.close();
  }
}
