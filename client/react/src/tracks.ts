/** Finds a participant's tracks. */
import type { Participant, ParticipantId, Track, TrackSource } from "@rotunda/client";
import { useRef } from "react";

export function trackOf({ tracks }: Participant, source: TrackSource): Track | null {
  return tracks.find((track) => track.source === source) ?? null;
}

/** A shared screen and its owner. */
export interface SharedScreen {
  readonly participant: Participant;
  readonly track: Track;
}

/** All shared screens, in the order in which their owners joined. */
export function screensOf(participants: readonly Participant[]): SharedScreen[] {
  return participants.flatMap((participant) => {
    const track = trackOf(participant, "screen");
    return track === null || track.muted ? [] : [{ participant, track }];
  });
}

/** All shared screens, in the order of sharing as seen by this page. */
export function useScreens(participants: readonly Participant[]): SharedScreen[] {
  const order = useRef<readonly string[]>([]);
  const screens = screensOf(participants);
  const now = inOrderOfSharing(order.current, screens.map(({ participant }) => participant.id));
  order.current = now;
  return [...screens].sort((a, b) => now.indexOf(a.participant.id) - now.indexOf(b.participant.id));
}

/** Participants who still share come first, then those who began since. */
export function inOrderOfSharing(before: readonly string[], now: readonly string[]): string[] {
  return [...before.filter((id) => now.includes(id)), ...now.filter((id) => !before.includes(id))];
}

/** The volume of each audio track by its id, for `RoomSound`: slots play other people's tracks as speakers change. */
export function volumesOf(participants: readonly Participant[], volumes: ReadonlyMap<ParticipantId, number>): Map<string, number> {
  const of = ({ id, tracks }: Participant): [string, number][] => {
    const volume = volumes.get(id);
    const played = tracks.flatMap(({ kind, media }) => (kind === "audio" && media !== null ? [media.id] : []));
    return volume === undefined ? [] : played.map((track) => [track, volume]);
  };
  return new Map(participants.flatMap(of));
}
