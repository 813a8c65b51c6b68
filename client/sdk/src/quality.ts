/**
 * Grades connections in four steps, measured at the receiver without messages of the room. Pure; time is an argument.
 */
import type { ParticipantId } from "./protocol.gen";

/** From the best to the worst. */
export type Quality = "excellent" | "good" | "fair" | "poor";

/** A grade needs a round trip below the first and a loss below the second number (milliseconds, percent). */
const GRADES: readonly (readonly [Quality, number, number])[] = [
  ["excellent", 100, 1],
  ["good", 200, 3],
  ["fair", 400, 5],
];
/** Minimum interval between samples. */
export const QUALITY_INTERVAL_MS = 1_000;
/** Samples per grade: enough that one burst of loss raises no alarm, few enough to be current. */
const LOOKS = 5;
/** With fewer packets, loss is not rated. */
const PACKETS_MIN = 20;

/** The grade of a path; unknown values are ignored. */
export function grade(rttMs: number | null, lossPercent: number): Quality {
  const fits = ([, rttBelow, lossBelow]: (typeof GRADES)[number]): boolean =>
    (rttMs ?? 0) < rttBelow && lossPercent < lossBelow;
  return GRADES.find(fits)?.[0] ?? "poor";
}

export interface Stream {
  /** The browser's id of the track. */
  readonly track: string;
  readonly packets: number;
  readonly lost: number;
}

export interface Look {
  readonly atMs: number;
  readonly streams: readonly Stream[];
  readonly rttMs: number | null;
  /** The lost share of the sent packets, from the node's last report. */
  readonly sentLost: number | null;
}

interface Share {
  readonly received: number;
  readonly lost: number;
}

export class QualityMeter {
  #last: Look | null = null;
  #streams = new Map<string, Stream>();
  readonly #shares = new Map<ParticipantId, Share[]>();
  #own: { readonly rttMs: number | null; readonly lossPercent: number }[] = [];

  /** Takes a sample and returns all grades; nothing if the last sample is too recent. */
  take(look: Look, self: ParticipantId | null, whose: (track: string) => ParticipantId | null): Map<ParticipantId, Quality> | null {
    if (this.#last !== null && look.atMs - this.#last.atMs < QUALITY_INTERVAL_MS) {
      return null;
    }
    this.#last = look;
    this.#note(this.#gained(look.streams, whose));
    this.#own = [...this.#own, { rttMs: look.rttMs, lossPercent: (look.sentLost ?? 0) * 100 }].slice(-LOOKS);
    const grades = new Map<ParticipantId, Quality>();
    for (const [participant, shares] of this.#shares) {
      const { received, lost } = total(shares);
      if (received + lost >= PACKETS_MIN) {
        // The round trip belongs to this client's own path, so it says nothing about others.
        grades.set(participant, grade(null, (lost / (received + lost)) * 100));
      }
    }
    if (self !== null && look.rttMs !== null) {
      const rtts = this.#own.flatMap(({ rttMs }) => (rttMs === null ? [] : [rttMs]));
      grades.set(self, grade(mean(rtts), mean(this.#own.map(({ lossPercent }) => lossPercent))));
    }
    return grades;
  }

  #gained(streams: readonly Stream[], whose: (track: string) => ParticipantId | null): Map<ParticipantId, Share> {
    const gained = new Map<ParticipantId, Share>();
    for (const stream of streams) {
      const before = this.#streams.get(stream.track);
      const participant = whose(stream.track);
      if (before !== undefined && participant !== null) {
        const so = gained.get(participant) ?? { received: 0, lost: 0 };
        gained.set(participant, {
          received: so.received + Math.max(0, stream.packets - before.packets),
          // A packet that was counted as lost and arrived late is subtracted.
          lost: so.lost + Math.max(0, stream.lost - before.lost),
        });
      }
    }
    this.#streams = new Map(streams.map((stream) => [stream.track, stream]));
    return gained;
  }

  #note(gained: ReadonlyMap<ParticipantId, Share>): void {
    for (const participant of this.#shares.keys()) {
      if (!gained.has(participant)) {
        this.#shares.delete(participant);
      }
    }
    for (const [participant, share] of gained) {
      this.#shares.set(participant, [...(this.#shares.get(participant) ?? []), share].slice(-LOOKS));
    }
  }
}

function total(shares: readonly Share[]): Share {
  return shares.reduce((sum, { received, lost }) => ({ received: sum.received + received, lost: sum.lost + lost }), {
    received: 0,
    lost: 0,
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
