/** Derives speakers and connection quality from the statistics. */
import type { ParticipantId } from "./protocol.gen";
import type { Owners, ParticipantStats } from "./participant-stats";
import { StatsMeter } from "./participant-stats";
import type { Quality } from "./quality";
import { QualityMeter } from "./quality";
import type { Participant } from "./snapshot";
import { Speaking } from "./speaking";
import type { State } from "./state";
import type { Counters, SlotLevel } from "./stats";

export interface Measured {
  /** Absent if only the levels were read. */
  readonly counters: Counters | null;
  readonly levels: readonly SlotLevel[];
  /** The user's own level; absent while the microphone is off. */
  readonly ownLevel: number | null;
  readonly state: State;
  readonly participants: readonly Participant[];
}

export class Measuring {
  readonly #speaking = new Speaking();
  readonly #meter = new QualityMeter();
  readonly #statsMeter = new StatsMeter();
  #speakers: readonly ParticipantId[] = [];
  #quality: ReadonlyMap<ParticipantId, Quality> = new Map();
  #stats: ReadonlyMap<ParticipantId, ParticipantStats> = new Map();

  /** The speakers, most recent first. */
  get speakers(): readonly ParticipantId[] {
    return this.#speakers;
  }

  get quality(): ReadonlyMap<ParticipantId, Quality> {
    return this.#quality;
  }

  get stats(): ReadonlyMap<ParticipantId, ParticipantStats> {
    return this.#stats;
  }

  /** Takes a sample and returns the changes. */
  take(measured: Measured): { readonly speakersChanged: boolean; readonly statsChanged: boolean; readonly changed: boolean } {
    const speakers = this.#speaking.take(loudness(measured), performance.now());
    const graded = this.#grade(measured);
    const quality = graded ?? this.#quality;
    const { counters } = measured;
    const statsChanged = graded !== null && counters !== null;
    if (statsChanged) {
      this.#stats = this.#statsMeter.take(counters, ownersOf(measured), quality);
    }
    const speakersChanged = speakers.join() !== this.#speakers.join();
    const changed = speakersChanged || [...quality].join() !== [...this.#quality].join();
    this.#speakers = speakers;
    this.#quality = quality;
    return { speakersChanged, statsChanged, changed };
  }

  #grade({ counters, state, participants }: Measured): ReadonlyMap<ParticipantId, Quality> | null {
    const whose = (track: string): ParticipantId | null =>
      participants.find(({ tracks }) => tracks.some(({ media }) => media?.id === track))?.id ?? null;
    return counters === null ? null : this.#meter.take(counters, state.self, whose);
  }
}

function ownersOf({ state, participants }: Measured): Owners {
  const { self, media } = state;
  return {
    received: (track) => {
      for (const { id: participant, tracks } of participants) {
        const found = tracks.find(({ media: played }) => played?.id === track);
        if (found !== undefined) {
          return { participant, source: found.source };
        }
      }
      return null;
    },
    sent: (mid) => {
      const section = media.published.find((published) => published.mid === mid);
      return self === null || section === undefined ? null : { participant: self, source: section.source };
    },
  };
}

function loudness({ levels, ownLevel, state }: Measured): Map<ParticipantId, number> {
  const loud = new Map<ParticipantId, number>();
  for (const { mid, level, sources } of levels) {
    const participant = whoPlays(state, mid, sources);
    if (participant !== null) {
      loud.set(participant, level);
    }
  }
  if (state.self !== null && ownLevel !== null) {
    loud.set(state.self, ownLevel);
  }
  return loud;
}

function whoPlays(state: State, mid: string, sources: readonly number[]): ParticipantId | null {
  // The packets themselves identify their source; the slot's message may be early or late.
  const byCsrc = state.roster.find(({ tracks }) => tracks.some(({ csrc }) => sources.includes(csrc)));
  return byCsrc?.id ?? state.slots.find((slot) => slot.mid === mid)?.participant ?? null;
}
