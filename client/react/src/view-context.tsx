/** Context for the view of a call and the tiles in it. */
import type { ParticipantId, Room } from "@rotunda/client";
import type { ReactNode, RefCallback } from "react";
import { createContext, useCallback, useContext, useEffect, useState } from "react";
import { View } from "./view";

const ViewContext = createContext<View | null>(null);

interface Props {
  readonly room: Room;
  /** All participants who may have a tile. On a slow downlink, larger tiles come first; of equal ones the earlier. */
  readonly order: readonly ParticipantId[];
  /** Comes before all other cameras. Each change is a message to the edge: needed only while a downlink is too slow. */
  readonly speaker?: ParticipantId | null;
  readonly children: ReactNode;
}

/** Tells the room whose tiles are on screen and how large they are; tiles register with `useTile`. */
export function ViewOf({ room, order, speaker = null, children }: Props) {
  const [view, setView] = useState<View | null>(null);
  useEffect(() => {
    const made = new View(room);
    setView(made);
    return () => made.close();
  }, [room]);
  const key = order.join("\n");
  useEffect(() => {
    view?.setOrder(key === "" ? [] : key.split("\n"), speaker);
  }, [view, key, speaker]);
  return <ViewContext value={view}>{children}</ViewContext>;
}

/** A ref for the element that shows a participant's camera. */
export function useTile(participant: ParticipantId): RefCallback<Element> {
  const view = useContext(ViewContext);
  return useCallback((element) => (element === null ? undefined : view?.watch(element, participant)), [view, participant]);
}
