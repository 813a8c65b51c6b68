/** What is measured of one participant. */
import type { ParticipantId, ParticipantStats, Room } from "@rotunda/client";
import { useCallback, useSyncExternalStore } from "react";

/** The participant's last second, drawn again every second; nothing before there is one. */
export function useStats(room: Room, participant: ParticipantId): ParticipantStats | null {
  const subscribe = useCallback((changed: () => void) => room.on("stats", changed), [room]);
  return useSyncExternalStore(subscribe, () => room.stats.get(participant) ?? null);
}
