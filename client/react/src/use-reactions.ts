import type { ParticipantId, Reaction, Room } from "@rotunda/client";
import { useEffect, useRef, useState } from "react";
import { useRoomEvent } from "./use-room";

/** Time for which a reaction stays on screen. */
export const REACTION_MS = 4_000;
/** More would hide the people. */
const REACTIONS_MAX = 30;

export interface ShownReaction {
  /** Unique on this page. */
  readonly key: number;
  readonly participant: ParticipantId;
  readonly reaction: Reaction;
}

/** The reactions of the last few seconds, oldest first. */
export function useReactions(room: Room): readonly ShownReaction[] {
  const [shown, setShown] = useState<readonly ShownReaction[]>([]);
  const made = useRef(0);
  const timers = useRef(new Set<ReturnType<typeof setTimeout>>());
  useRoomEvent(room, "reaction", ({ participant, reaction }) => {
    const key = ++made.current;
    setShown((before) => [...before, { key, participant, reaction }].slice(-REACTIONS_MAX));
    const timer = setTimeout(() => {
      timers.current.delete(timer);
      setShown((before) => before.filter((other) => other.key !== key));
    }, REACTION_MS);
    timers.current.add(timer);
  });
  useEffect(() => {
    const all = timers.current;
    return () => all.forEach((timer) => clearTimeout(timer));
  }, []);
  return shown;
}
