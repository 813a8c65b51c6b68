/** The duration of each phase of a join, for the join benchmark and for diagnosing slow joins. */

export const PHASES = [
  "start",
  "socket_open",
  "offer_made",
  "join_sent",
  "joined",
  "answer_applied",
  "ice_connected",
  "dtls_connected",
  "first_frame",
] as const;
export type Phase = (typeof PHASES)[number];

/** Milliseconds from the start; a phase that has not happened is absent. */
export type Timings = Readonly<Partial<Record<Phase, number>>>;

/** Records the first occurrence of each phase, and shows it in the browser's performance timeline. */
export class Stopwatch {
  readonly #startMs = performance.now();
  #timings: Timings = { start: 0 };

  get timings(): Timings {
    return this.#timings;
  }

  mark(phase: Phase): void {
    if (this.#timings[phase] === undefined) {
      this.#timings = { ...this.#timings, [phase]: performance.now() - this.#startMs };
      performance.mark(`rotunda:${phase}`);
    }
  }
}
