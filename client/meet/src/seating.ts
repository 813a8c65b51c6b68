/** The order of the people in a call, in which speakers come to the first page, and the speaker to show. Pure. */
import type { ParticipantId } from "@rotunda/client";

export interface Seating {
  /** The others, in the order of their tiles. */
  readonly order: readonly ParticipantId[];
  /** Everybody in `order` who has spoken, most recent first. */
  readonly spoke: readonly ParticipantId[];
  /** The speaker; after a speech, the last one. */
  readonly speaker: ParticipantId | null;
}

export const EMPTY: Seating = { order: [], spoke: [], speaker: null };

/**
 * The next order: people keep their seats, and newcomers take the last ones. A speaker beyond the first `seats` changes
 * places with the one of them who has been silent the longest. The `large` person needs no seat.
 */
export function seat(
  before: Seating,
  others: readonly ParticipantId[],
  speaking: readonly ParticipantId[],
  seats: number,
  large: ParticipantId | null = null,
): Seating {
  const order = [...before.order.filter((id) => others.includes(id)), ...others.filter((id) => !before.order.includes(id))];
  const speakers = speaking.filter((id) => others.includes(id));
  const spoke = [...speakers, ...before.spoke.filter((id) => others.includes(id) && !speakers.includes(id))];
  for (const id of speakers) {
    const front = order.filter((other) => other !== large).slice(0, seats);
    const silent = id === large || front.includes(id) ? null : longestSilent(front, spoke, speakers);
    if (silent !== null) {
      [order[order.indexOf(id)], order[order.indexOf(silent)]] = [silent, id];
    }
  }
  return { order, spoke, speaker: speakerOf(before.speaker, spoke, speakers) };
}

/** The person to give up a seat, the last one among equals; `null` if everybody speaks. */
function longestSilent(
  front: readonly ParticipantId[],
  spoke: readonly ParticipantId[],
  speakers: readonly ParticipantId[],
): ParticipantId | null {
  const silence = (id: ParticipantId): number => (spoke.includes(id) ? spoke.indexOf(id) : spoke.length);
  const silent = front.filter((id) => !speakers.includes(id));
  return silent.reduce<ParticipantId | null>((best, id) => (best === null || silence(id) >= silence(best) ? id : best), null);
}

/** A speaker who is interrupted stays. */
function speakerOf(
  before: ParticipantId | null,
  spoke: readonly ParticipantId[],
  speakers: readonly ParticipantId[],
): ParticipantId | null {
  const stays = before !== null && spoke.includes(before) && (speakers.length === 0 || speakers.includes(before));
  return stays ? before : (spoke[0] ?? null);
}
