/** Counts the participants whose media should arrive. Pure. */
import type { MediaKind } from "./protocol.gen";
import type { Participant, Track } from "./snapshot";
import type { View } from "./state/model";

/** `told` is the view that the edge knows: it sends no camera outside a view with sizes. */
export function flows(participants: readonly Participant[], told: View | null, kinds: readonly MediaKind[]): number {
  const isSeen = ({ id }: Participant): boolean => told === null || told.lines === null || told.participants.includes(id);
  return participants.filter((participant) => {
    const arrives = ({ kind, source, media, muted }: Track): boolean =>
      media !== null && !muted && kinds.includes(kind) && (source !== "camera" || isSeen(participant));
    return participant.connection === "connected" && participant.tracks.some(arrives);
  }).length;
}
