/** The room's chat, and how much of it the user has not seen. */
import type { Message, Room } from "@rotunda/client";
import { useEffect, useState, useSyncExternalStore } from "react";
import { useRoom, useRoomEvent } from "./use-room";

export interface Chat {
  /** In order; those on their way come last and have no number. */
  readonly messages: readonly Message[];
  /** Messages of others that came while the user did not look at the chat. */
  readonly unread: number;
  /** Writes; resolves when the room has it. */
  readonly send: (text: string) => Promise<void>;
}

/** The chat; `isShown` says whether the page shows it. A hidden page shows nothing. */
export function useChat(room: Room, isShown: boolean): Chat {
  const { chat: messages } = useRoom(room);
  const isRead = useSyncExternalStore(onVisibility, isVisible) && isShown;
  const [unread, setUnread] = useState(0);
  useRoomEvent(room, "message", () => setUnread((count) => (isRead ? 0 : count + 1)));
  useEffect(() => {
    if (isRead) {
      setUnread(0);
    }
  }, [isRead]);
  return { messages, unread, send: (text) => room.sendMessage(text) };
}

function onVisibility(changed: () => void): () => void {
  document.addEventListener("visibilitychange", changed);
  return () => document.removeEventListener("visibilitychange", changed);
}

function isVisible(): boolean {
  return document.visibilityState === "visible";
}
