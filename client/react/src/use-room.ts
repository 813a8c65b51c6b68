import type { Room, RoomEvents, RoomSnapshot } from "@rotunda/client";
import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";

/** The room's current snapshot; rerenders the component when it changes. */
export function useRoom(room: Room): RoomSnapshot {
  const subscribe = useCallback((changed: () => void) => room.on("changed", changed), [room]);
  const current = (): RoomSnapshot => room.snapshot;
  return useSyncExternalStore(subscribe, current, current);
}

/** Calls the latest `listener` on every `name` event while the component is mounted. */
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
