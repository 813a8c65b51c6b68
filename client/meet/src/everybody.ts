import type { Participant, RoomSnapshot } from "@rotunda/client";

/** The user first. */
export function everybodyIn({ self, participants }: Pick<RoomSnapshot, "self" | "participants">): readonly Participant[] {
  return self === null ? participants : [self, ...participants];
}
