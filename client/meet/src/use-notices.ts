/** The latest news: who came, who went, what did not work. */
import type { Room } from "@rotunda/client";
import { useRoomEvent } from "@rotunda/react";
import { useEffect, useState } from "react";
import type { Texts } from "./texts";
import { errorText } from "./texts";

const NOTICE_MS = 5_000;

/** Something to tell the user for a moment. */
export interface Notice {
  readonly text: string;
  readonly isProblem: boolean;
}

/** The notice that is shown, and a way to show another one. */
export function useNotices(room: Room, texts: Texts): [Notice | null, (notice: Notice) => void] {
  const [notice, setNotice] = useState<Notice | null>(null);
  const tell = (text: string, isProblem = false): void => setNotice({ text, isProblem });
  const named = (name: string): string => (name === "" ? texts.guest : name);
  useRoomEvent(room, "participant_joined", ({ name }) => tell(texts.joined(named(name))));
  useRoomEvent(room, "participant_left", ({ name }) => tell(texts.left(named(name))));
  useRoomEvent(room, "silenced", () => tell(texts.silenced, true));
  useRoomEvent(room, "device_changed", ({ label }) => tell(texts.nowUses(label)));
  useRoomEvent(room, "error", (error) => tell(errorText(texts, error), true));
  useEffect(() => {
    if (notice === null) {
      return undefined;
    }
    const timer = setTimeout(() => setNotice(null), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  return [notice, setNotice];
}
