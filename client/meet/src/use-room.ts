/** A room as React sees it. */
import type { Room, RoomSnapshot } from "@rotunda/client";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

/** The room at this moment; the component is drawn again when it changes. */
export function useRoom(room: Room): RoomSnapshot {
  const subscribe = useCallback((changed: () => void) => room.on("changed", changed), [room]);
  return useSyncExternalStore(subscribe, () => room.snapshot);
}

const NOTICE_MS = 5_000;

/** Something to tell the user for a moment. */
export interface Notice {
  readonly text: string;
  readonly isProblem: boolean;
}

/** The latest news: who came, who went, what did not work; and a way to add to it. */
export function useNotices(room: Room): [Notice | null, (notice: Notice) => void] {
  const [notice, setNotice] = useState<Notice | null>(null);
  useEffect(() => {
    const stops = [
      room.on("participant_joined", ({ name }) => setNotice({ text: `${nameOr(name)} joined`, isProblem: false })),
      room.on("participant_left", ({ name }) => setNotice({ text: `${nameOr(name)} left`, isProblem: false })),
      room.on("error", ({ words }) => setNotice({ text: words, isProblem: true })),
    ];
    return () => stops.forEach((stop) => stop());
  }, [room]);
  useEffect(() => {
    if (notice === null) {
      return undefined;
    }
    const timer = setTimeout(() => setNotice(null), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  return [notice, setNotice];
}

/** What to call somebody who gave no name. */
export function nameOr(name: string): string {
  return name === "" ? "Guest" : name;
}
