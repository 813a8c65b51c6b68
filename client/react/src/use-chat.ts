/** The room's chat, and how much of it the user has not seen. */
import type { Message, Room } from "@rotunda/client";
import { useEffect, useState } from "react";
import { useRoom, useRoomEvent } from "./use-room";

/** What a chat panel needs. */
export interface Chat {
  /** In order; those on their way come last and have no number. */
  readonly messages: readonly Message[];
  /** Messages of others that came while the chat was not shown. */
  readonly unread: number;
  /** Writes; resolves when the room has it. */
  readonly send: (text: string) => Promise<void>;
}

/** The chat; `isShown` says whether the user looks at it. */
export function useChat(room: Room, isShown: boolean): Chat {
  const { chat: messages } = useRoom(room);
  const [unread, setUnread] = useState(0);
  useRoomEvent(room, "message", () => setUnread((count) => (isShown ? 0 : count + 1)));
  useEffect(() => {
    if (isShown) {
      setUnread(0);
    }
  }, [isShown]);
  return { messages, unread, send: (text) => room.sendMessage(text) };
}
