/** Derives events from two snapshots of a room. */
import type { RoomEvents } from "./room-events";
import type { RoomSnapshot } from "./snapshot";
import { pausesSince } from "./snapshot";

type Tell = <Name extends keyof RoomEvents>(name: Name, value: RoomEvents[Name]) => void;

/** Emits an event for each difference, and finally `changed`. */
export function tellNews(before: RoomSnapshot, now: RoomSnapshot, tell: Tell): void {
  if (before.connection !== now.connection) {
    tell("connection", now.connection);
  }
  for (const participant of now.participants) {
    if (!before.participants.some(({ id }) => id === participant.id)) {
      tell("participant_joined", participant);
    }
  }
  for (const { id, name } of before.participants) {
    if (!now.participants.some((participant) => participant.id === id)) {
      tell("participant_left", { id, name });
    }
  }
  pausesSince(before, now).forEach((news) => tell("video_paused", news));
  tell("changed", now);
}
