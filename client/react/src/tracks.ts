/** Finding what somebody publishes. */
import type { Participant, Track, TrackSource } from "@rotunda/client";

/** What somebody publishes of this source. */
export function trackOf({ tracks }: Participant, source: TrackSource): Track | null {
  return tracks.find((track) => track.source === source) ?? null;
}

/** A screen that is shown, and whose it is. */
export interface SharedScreen {
  readonly participant: Participant;
  readonly track: Track;
}

/** Everybody's screens, in the order in which their owners joined. */
export function screensOf(participants: readonly Participant[]): SharedScreen[] {
  return participants.flatMap((participant) => {
    const track = trackOf(participant, "screen");
    return track === null || track.muted ? [] : [{ participant, track }];
  });
}
