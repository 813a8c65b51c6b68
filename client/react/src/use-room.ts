import type { Room, RoomEvents, RoomSnapshot } from "@rotunda/client";
import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";

/** The room at this moment; the component is drawn again when it changes. */
export function useRoom(room: Room): RoomSnapshot {
  const subscribe = useCallback((changed: () => void) => room.on("changed", changed), [room]);
  return useSyncExternalStore(subscribe, () => room.snapshot);
}

/** Calls the newest `listener` whenever the room says `name`, as long as the component is there. */
export function useRoomEvent<Name extends keyof RoomEvents>(
  room: Room,
  name: Name,
  listener: (value: RoomEvents[Name]) => void,
): void {
  const newest = useRef(listener);
  useEffect(() => {
    newest.current = listener;
  });
  useEffect(() => room.on(name, (value) => newest.current(value)), [room, name]);
}
