/** Finds a participant's tracks. */
import type { Participant, Track, TrackSource } from "@rotunda/client";
import { useRef } from "react";

/** The participant's track from this source. */
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

/** Everybody's screens, in the order in which they were shared as far as this page has seen it. */
export function useScreens(participants: readonly Participant[]): SharedScreen[] {
  const order = useRef<readonly string[]>([]);
  const screens = screensOf(participants);
  const now = inOrderOfSharing(order.current, screens.map(({ participant }) => participant.id));
  order.current = now;
  return [...screens].sort((a, b) => now.indexOf(a.participant.id) - now.indexOf(b.participant.id));
}

/** Those who shared before and still do, then those who began since. */
export function inOrderOfSharing(before: readonly string[], now: readonly string[]): string[] {
  return [...before.filter((id) => now.includes(id)), ...now.filter((id) => !before.includes(id))];
}
