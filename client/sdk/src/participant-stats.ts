/** Rates and loss of all tracks, computed every second; never totals. Pure; time is an argument. */
import type { Mid, ParticipantId, TrackSource } from "./protocol.gen";
import type { Quality } from "./quality";

/** The browser's counters of one stream; cumulative ones may restart together with the stream. */
export interface StreamCounters {
  readonly packets: number;
  readonly lost: number;
  readonly bytes: number;
  readonly frames: number;
  readonly freezes: number;
  readonly nacks: number;
  readonly plis: number;
  readonly jitterMs: number | null;
  readonly width: number | null;
  readonly lines: number | null;
}

export interface ReceivedStream extends StreamCounters {
  /** The browser's id of the track. */
  readonly track: string;
  /** The sum of the times that frames or samples spent in the jitter buffer, and their number. */
  readonly bufferedMs: number;
  readonly released: number;
}

/** One layer of a track that this client sends. */
export interface SentStream extends StreamCounters {
  readonly mid: Mid;
  /** Absent if the section has one layer. */
  readonly rid: string | null;
  /** The lost share, from the node's last report. */
  readonly lostPercent: number | null;
}

/** One track in the last second; loss covers the last five seconds. */
export interface TrackStats {
  readonly source: TrackSource;
  readonly bitrateBps: number;
  readonly lossPercent: number;
  readonly jitterMs: number | null;
  /** Video size; `null` for audio, and before the first frame. */
  readonly width: number | null;
  readonly lines: number | null;
  readonly framesPerSecond: number | null;
  /** The largest layer that is sent, if the user publishes several. */
  readonly layer: string | null;
  /** Freezes (`freezeCount` of webrtc-stats). */
  readonly freezes: number;
  readonly nacks: number;
  readonly plis: number;
}

export interface ParticipantStats {
  /** Between this client and its media node; the same for all participants. */
  readonly roundTripMs: number | null;
  /** The grade of the received media; for the user, of their own path. `null` if too little was received. */
  readonly quality: Quality | null;
  readonly tracks: readonly TrackStats[];
}

export interface StatsLook {
  readonly atMs: number;
  readonly rttMs: number | null;
  readonly streams: readonly ReceivedStream[];
  readonly sentStreams: readonly SentStream[];
}

export interface Owner {
  readonly participant: ParticipantId;
  readonly source: TrackSource;
}

/** The owner of a received track, and the source of a published section; absent if unknown. */
export interface Owners {
  received(track: string): Owner | null;
  sent(mid: Mid): Owner | null;
}

/** Loss covers this many samples. */
const LOOKS = 5;

interface Gain {
  readonly packets: number;
  readonly lost: number;
}

interface Known {
  readonly counters: StreamCounters;
  readonly gains: readonly Gain[];
}

/** Converts counters into rates. */
export class StatsMeter {
  #atMs: number | null = null;
  #known = new Map<string, Known>();

  take({ atMs, rttMs, streams, sentStreams }: StatsLook, owners: Owners, grades: ReadonlyMap<ParticipantId, Quality>): Map<ParticipantId, ParticipantStats> {
    const elapsedMs = this.#atMs === null ? 0 : atMs - this.#atMs;
    this.#atMs = atMs;
    const known = new Map<string, Known>();
    const everybody = new Map<ParticipantId, ParticipantStats>();
    const add = (owner: Owner | null, stats: TrackStats | null): void => {
      if (owner !== null && stats !== null) {
        const before = everybody.get(owner.participant)?.tracks ?? [];
        const quality = grades.get(owner.participant) ?? null;
        everybody.set(owner.participant, { roundTripMs: rttMs, quality, tracks: merged(before, stats) });
      }
    };
    for (const stream of streams) {
      const owner = owners.received(stream.track);
      const measured = this.#measure(stream.track, stream, elapsedMs, known);
      add(owner, measured && owner && { source: owner.source, layer: null, ...measured });
    }
    for (const stream of sentStreams) {
      const owner = owners.sent(stream.mid);
      const measured = this.#measure(`${stream.mid}/${stream.rid ?? ""}`, stream, elapsedMs, known);
      const lossPercent = stream.lostPercent ?? 0;
      // An inactive layer reports nothing.
      const isOn = measured !== null && measured.bitrateBps > 0;
      add(owner, isOn && owner ? { source: owner.source, layer: stream.rid, ...measured, lossPercent } : null);
    }
    this.#known = known;
    return everybody;
  }

  #measure(key: string, counters: StreamCounters, elapsedMs: number, known: Map<string, Known>): Omit<TrackStats, "source" | "layer"> | null {
    const before = this.#known.get(key);
    if (before === undefined || elapsedMs <= 0) {
      known.set(key, { counters, gains: [] });
      return null;
    }
    // A restarted counter counts from zero; a packet that was counted as lost and arrived late is subtracted.
    const gained = (name: "packets" | "lost" | "bytes" | "frames" | "freezes" | "nacks" | "plis"): number =>
      Math.max(0, counters[name] - before.counters[name]);
    const gains = [...before.gains, { packets: gained("packets"), lost: gained("lost") }].slice(-LOOKS);
    known.set(key, { counters, gains });
    const lost = gains.reduce((sum, gain) => sum + gain.lost, 0);
    const all = gains.reduce((sum, gain) => sum + gain.packets + gain.lost, 0);
    const { jitterMs, width, lines } = counters;
    return {
      bitrateBps: Math.round((gained("bytes") * 8 * 1_000) / elapsedMs),
      lossPercent: all === 0 ? 0 : (lost / all) * 100,
      jitterMs,
      width,
      lines,
      framesPerSecond: lines === null ? null : (gained("frames") * 1_000) / elapsedMs,
      freezes: gained("freezes"),
      nacks: gained("nacks"),
      plis: gained("plis"),
    };
  }
}

/** Combines the layers of one track: rates are added, the size is the largest layer's. */
function merged(tracks: readonly TrackStats[], stats: TrackStats): TrackStats[] {
  const same = tracks.find(({ source }) => source === stats.source);
  if (same === undefined) {
    return [...tracks, stats];
  }
  const largest = (stats.lines ?? 0) > (same.lines ?? 0) ? stats : same;
  const together: TrackStats = {
    ...largest,
    bitrateBps: same.bitrateBps + stats.bitrateBps,
    lossPercent: Math.max(same.lossPercent, stats.lossPercent),
    nacks: same.nacks + stats.nacks,
    plis: same.plis + stats.plis,
  };
  return tracks.map((track) => (track === same ? together : track));
}
