/** The room's chat, and the number of unseen messages. */
import type { Message, Room } from "@rotunda/client";
import { useEffect, useState, useSyncExternalStore } from "react";
import { useRoom, useRoomEvent } from "./use-room";

export interface Chat {
  /** In order; unsent messages come last and have no number. */
  readonly messages: readonly Message[];
  /** Messages of others that arrived while the chat was not visible. */
  readonly unread: number;
  /** Resolves when the room has the message. */
  readonly send: (text: string) => Promise<void>;
}

/** `isShown` says whether the page shows the chat. A hidden page shows nothing. */
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
