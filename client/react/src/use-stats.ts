/** Measurements of one participant. */
import type { ParticipantId, ParticipantStats, Room } from "@rotunda/client";
import { useCallback, useSyncExternalStore } from "react";

/** The participant's statistics of the last second, updated every second; `null` before the first ones. */
export function useStats(room: Room, participant: ParticipantId): ParticipantStats | null {
  const subscribe = useCallback((changed: () => void) => room.on("stats", changed), [room]);
  return useSyncExternalStore(subscribe, () => room.stats.get(participant) ?? null);
}
